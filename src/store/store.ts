import { type EventTable, eventTable } from './events.ts'
import type { Found } from './found.ts'
import { type KeyTable, keyTable } from './idempotency-keys.ts'
import { type MetaTable, metaTable } from './meta.ts'
import { openDatabase } from './open-database.ts'
import { removeOpenMark } from './open-mark.ts'
import { type PoolTable, poolTable } from './pools.ts'
import { type SandboxTable, sandboxTable } from './sandboxes.ts'
import { type SnapshotTable, snapshotTable } from './snapshots.ts'
import { type TemplateTables, templateTables } from './templates.ts'
import { type VolumeTable, volumeTable } from './volumes.ts'
import { type WebhookTable, webhookTable } from './webhooks.ts'

/** What is durable: one member a table. Every write that returns is on disk, alone or with its transaction. */
export interface Store {
  sandboxes: SandboxTable
  templates: TemplateTables
  pools: PoolTable
  keys: KeyTable
  volumes: VolumeTable
  events: EventTable
  webhooks: WebhookTable
  meta: MetaTable
  /** What there was when it was opened. */
  found: Found
  /** See Database.copyTo. */
  copyTo(file: string): Promise<void>
  snapshots: SnapshotTable
  /** See Database.transaction. `work` must not await. */
  transaction<T>(work: () => T): T
  close(): void
}

/** Opens `<dataDir>/k2.db`, see openDatabase. */
export function openStore(dataDir: string): Store {
  const { db, found } = openDatabase(dataDir)
  return {
    sandboxes: sandboxTable(db),
    templates: templateTables(db),
    pools: poolTable(db),
    keys: keyTable(db),
    volumes: volumeTable(db),
    events: eventTable(db),
    webhooks: webhookTable(db),
    meta: metaTable(db),
    found,
    copyTo: (file) => db.copyTo(file),
    snapshots: snapshotTable(db),
    transaction: (work) => db.transaction(work),
    close() {
      removeOpenMark(dataDir)
      db.close()
    },
  }
}

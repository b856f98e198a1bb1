import { Database } from './database.ts'
import { type EventTable, eventTable } from './events.ts'
import { type KeyTable, keyTable } from './idempotency-keys.ts'
import { type PoolTable, poolTable } from './pools.ts'
import { type SandboxTable, sandboxTable } from './sandboxes.ts'

/** What is durable: one member a table. Every write that returns is on disk, alone or with its transaction. */
export interface Store {
  sandboxes: SandboxTable
  pools: PoolTable
  keys: KeyTable
  events: EventTable
  /** See Database.transaction. `work` must not await. */
  transaction<T>(work: () => T): T
  close(): void
}

/** Opens `<dataDir>/k2.db`, see Database. */
export function openStore(dataDir: string): Store {
  const db = new Database(dataDir)
  return {
    sandboxes: sandboxTable(db),
    pools: poolTable(db),
    keys: keyTable(db),
    events: eventTable(db),
    transaction: (work) => db.transaction(work),
    close: () => db.close(),
  }
}

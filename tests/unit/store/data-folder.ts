import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { instanceSecret } from '../../../src/store/secret.ts'
import { openStore, type Store } from '../../../src/store/store.ts'
import { record } from '../core/records.ts'

/** An empty folder that is gone with the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'k2-data-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Closed with the test. */
export function open(dataDir: string): Store {
  const store = openStore(dataDir)
  onTestFinished(() => store.close())
  return store
}

/** `count` sandboxes, written now. */
export function fill(store: Store, count: number): string[] {
  return Array.from({ length: count }, () => {
    const one = record({ metadata: { text: 'x'.repeat(500) } })
    store.sandboxes.save({ id: one.id, status: one.status, lastActiveAt: 0, body: JSON.stringify(one) })
    return one.id
  })
}

/** What a server leaves that is killed: sandboxes in the database itself, and some in its log only. */
export function crashed(): { dataDir: string; ids: string[]; later: string[] } {
  const live = folder()
  const first = openStore(live)
  instanceSecret(live, first.meta)
  const ids = fill(first, 60)
  first.close()
  const second = openStore(live)
  const later = fill(second, 5)
  const dataDir = folder()
  cpSync(live, dataDir, { recursive: true })
  second.close()
  return { dataDir, ids, later }
}

export const sizeOf = (dataDir: string, name = 'k2.db') => statSync(join(dataDir, name)).size
export const cut = (dataDir: string, size: number, name = 'k2.db') => truncateSync(join(dataDir, name), size)

/** Writes over a part of a file. */
export function overwrite(dataDir: string, name: string, offset: number, bytes: Buffer): void {
  const file = join(dataDir, name)
  const content = readFileSync(file)
  bytes.copy(content, offset)
  writeFileSync(file, content)
}

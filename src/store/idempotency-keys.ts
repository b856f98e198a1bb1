import type { Database, Row } from './database.ts'

/** A caller's key, and what was made under it. */
export interface KeyRow {
  /** What kind of request: keys of different kinds do not know each other. */
  scope: string
  key: string
  /** Of the request. */
  fingerprint: string
  /** Id of what it made, which may be gone by now. */
  madeId: string
  madeAt: number
}

export interface KeyTable {
  find(scope: string, key: string): KeyRow | undefined
  save(row: KeyRow): void
  remove(scope: string, key: string): void
  /** Those that were made before. */
  removeOlder(than: number): void
  /** All but the latest `count`. */
  keepLatest(count: number): void
  /** Of sandboxes that nobody was answered with: their create was cut off, or failed. */
  removeUnanswered(): void
}

export function keyTable(db: Database): KeyTable {
  const select = db.prepare('SELECT * FROM idempotency_keys WHERE scope = ? AND key = ?')
  const upsert = db.prepare('INSERT OR REPLACE INTO idempotency_keys VALUES (?, ?, ?, ?, ?)')
  const remove = db.prepare('DELETE FROM idempotency_keys WHERE scope = ? AND key = ?')
  const removeOlder = db.prepare('DELETE FROM idempotency_keys WHERE made_at < ?')
  const keepLatest = db.prepare(
    'DELETE FROM idempotency_keys WHERE rowid IN (SELECT rowid FROM idempotency_keys ORDER BY made_at DESC LIMIT -1 OFFSET ?)',
  )
  const removeUnanswered = db.prepare(
    `DELETE FROM idempotency_keys WHERE made_id IN (
       SELECT id FROM sandboxes WHERE status = 'creating'
         OR (status = 'deleting' AND body ->> '$.deletedBy' IN ('create_failed', 'server_restart')))`,
  )
  return {
    find: (scope, key) => toRow(select.get(scope, key)),
    save: ({ scope, key, fingerprint, madeId, madeAt }) => void upsert.run(scope, key, fingerprint, madeId, madeAt),
    remove: (scope, key) => void remove.run(scope, key),
    removeOlder: (than) => void removeOlder.run(than),
    keepLatest: (count) => void keepLatest.run(count),
    removeUnanswered: () => void removeUnanswered.run(),
  }
}

function toRow(row: Row | undefined): KeyRow | undefined {
  if (row === undefined) return undefined
  return {
    scope: String(row.scope),
    key: String(row.key),
    fingerprint: String(row.fingerprint),
    madeId: String(row.made_id),
    madeAt: Number(row.made_at),
  }
}

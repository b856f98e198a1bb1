import type { Database, Row } from './database.ts'

/** One sandbox: the columns that are searched or changed often, and the rest as JSON. */
export interface SandboxRow {
  id: string
  /** See RecordStatus in core/record.ts. */
  status: string
  lastActiveAt: number
  /** JSON of all else. */
  body: string
}

export interface SandboxTable {
  /** In the order in which they were made. */
  all(): SandboxRow[]
  /** Inserts or replaces. */
  save(row: SandboxRow): void
  /** Only the activity times, in one transaction. */
  saveActivity(times: Iterable<[id: string, lastActiveAt: number]>): void
  remove(id: string): void
}

export function sandboxTable(db: Database): SandboxTable {
  const selectAll = db.prepare('SELECT id, status, last_active_at, body FROM sandboxes ORDER BY rowid')
  const upsert = db.prepare(
    'INSERT INTO sandboxes (id, status, last_active_at, body) VALUES (?, ?, ?, ?) ' +
      'ON CONFLICT (id) DO UPDATE SET status = excluded.status, last_active_at = excluded.last_active_at, body = excluded.body',
  )
  const touch = db.prepare('UPDATE sandboxes SET last_active_at = ? WHERE id = ?')
  const remove = db.prepare('DELETE FROM sandboxes WHERE id = ?')
  return {
    all: () => selectAll.all().map(toRow),
    save: ({ id, status, lastActiveAt, body }) => void upsert.run(id, status, lastActiveAt, body),
    saveActivity: (times) =>
      db.transaction(() => {
        for (const [id, lastActiveAt] of times) touch.run(lastActiveAt, id)
      }),
    remove: (id) => void remove.run(id),
  }
}

function toRow(row: Row): SandboxRow {
  return {
    id: String(row.id),
    status: String(row.status),
    lastActiveAt: Number(row.last_active_at),
    body: String(row.body),
  }
}

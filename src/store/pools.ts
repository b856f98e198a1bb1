import type { Database } from './database.ts'

export interface PoolRow {
  name: string
  /** JSON. */
  body: string
}

/** Pools that were made through the API. */
export interface PoolTable {
  all(): PoolRow[]
  /** Inserts or replaces. */
  save(row: PoolRow): void
  remove(name: string): void
}

export function poolTable(db: Database): PoolTable {
  const selectAll = db.prepare('SELECT name, body FROM pools ORDER BY rowid')
  const upsert = db.prepare(
    'INSERT INTO pools (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body',
  )
  const remove = db.prepare('DELETE FROM pools WHERE name = ?')
  return {
    all: () => selectAll.all().map(({ name, body }) => ({ name: String(name), body: String(body) })),
    save: ({ name, body }) => void upsert.run(name, body),
    remove: (name) => void remove.run(name),
  }
}

import type { Database } from './database.ts'

/**
 * `id`: of this database, for ever. `opened_at`: written at each start. `secret`: which secret signs what is ours, as a digest.
 */
export type MetaName = 'id' | 'opened_at' | 'secret'

/** What the database knows of itself. */
export interface MetaTable {
  /** null: it is not there. */
  get(name: MetaName): string | null
  set(name: MetaName, value: string): void
}

export function metaTable(db: Database): MetaTable {
  const select = db.prepare('SELECT value FROM meta WHERE name = ?')
  const upsert = db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)')
  return {
    get: (name) => (select.get(name)?.value as string | undefined) ?? null,
    set: (name, value) => void upsert.run(name, value),
  }
}

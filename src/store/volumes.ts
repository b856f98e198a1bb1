import type { Database, Row } from './database.ts'

export interface VolumeRow {
  id: string
  /** JSON of the volume. */
  body: string
}

export interface VolumeTable {
  /** In the order in which they were made. */
  all(): VolumeRow[]
  /** Inserts or replaces. */
  save(row: VolumeRow): void
  remove(id: string): void
}

export function volumeTable(db: Database): VolumeTable {
  const selectAll = db.prepare('SELECT id, body FROM volumes ORDER BY rowid')
  const upsert = db.prepare(
    'INSERT INTO volumes (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body',
  )
  const remove = db.prepare('DELETE FROM volumes WHERE id = ?')
  return {
    all: () => selectAll.all().map(toRow),
    save: ({ id, body }) => void upsert.run(id, body),
    remove: (id) => void remove.run(id),
  }
}

function toRow({ id, body }: Row): VolumeRow {
  return { id: String(id), body: String(body) }
}

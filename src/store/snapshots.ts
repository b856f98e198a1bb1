import type { Database } from './database.ts'

/** One snapshot: `body` is JSON of its record. What had changed in its sandbox is kept apart: it may be megabytes, and is seldom read. */
export interface SnapshotTable {
  /** Bodies, in the order in which they were made. */
  all(): string[]
  /** Inserts or replaces; the changes stay. */
  save(row: { id: string; body: string }): void
  saveChanges(id: string, changes: string): void
  /** null: none were kept, or there is no such snapshot. */
  changesOf(id: string): string | null
  remove(id: string): void
}

export function snapshotTable(db: Database): SnapshotTable {
  const selectAll = db.prepare('SELECT body FROM snapshots ORDER BY rowid')
  const upsert = db.prepare(
    'INSERT INTO snapshots (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body',
  )
  const saveChanges = db.prepare('UPDATE snapshots SET changes = ? WHERE id = ?')
  const selectChanges = db.prepare('SELECT changes FROM snapshots WHERE id = ?')
  const remove = db.prepare('DELETE FROM snapshots WHERE id = ?')
  return {
    all: () => selectAll.all().map(({ body }) => String(body)),
    save: ({ id, body }) => void upsert.run(id, body),
    saveChanges: (id, changes) => void saveChanges.run(changes, id),
    changesOf: (id) => (selectChanges.get(id)?.changes as string | null | undefined) ?? null,
    remove: (id) => void remove.run(id),
  }
}

import { copyFileSync, existsSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Database, Row, Value } from './database.ts'

/**
 * Copies what can be read of a damaged database into a new one of the same version: of each table the rows from its beginning and
 * from its end to where it is damaged. Nothing when `isOurs` does not know it. The damaged file itself is not touched. Rows that a
 * crash may have made old are the reconciliation's to correct. Gives how many rows of each table there were, where there were any.
 */
export function salvage(
  db: Database,
  damagedFile: string,
  isOurs: (meta: { id: string | null; secret: string | null }) => boolean,
): Record<string, number> {
  const copy = `${damagedFile}.copy`
  const found: Record<string, number> = {}
  let damaged: DatabaseSync | undefined
  try {
    copyFileSync(damagedFile, copy)
    if (existsSync(`${damagedFile}-wal`)) copyFileSync(`${damagedFile}-wal`, `${copy}-wal`)
    damaged = new DatabaseSync(copy)
    const source = damaged
    const meta = (name: string) =>
      (source.prepare('SELECT value FROM meta WHERE name = ?').get(name)?.value as string | undefined) ?? null
    if (versionOf(source) !== db.version || !isOurs({ id: meta('id'), secret: meta('secret') })) return found
    db.transaction(() => {
      for (const table of db.tables()) {
        const count = copyTable(source, db, table)
        if (count > 0) found[table] = count
      }
    })
  } catch {
    // Too damaged to be opened at all, or to tell whose it is.
  } finally {
    damaged?.close()
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(`${copy}${end}`, { force: true })
  }
  return found
}

const versionOf = (db: DatabaseSync) => Number(db.prepare('PRAGMA user_version').get()?.user_version)

function copyTable(source: DatabaseSync, db: Database, table: string): number {
  const columns = db.columnsOf(table)
  const insert = db.prepare(
    `INSERT OR IGNORE INTO "${table}" (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
  )
  let count = 0
  for (const order of ['ASC', 'DESC']) {
    try {
      for (const row of source
        .prepare(`SELECT ${columns.join(', ')} FROM "${table}" ORDER BY rowid ${order}`)
        .iterate() as Iterable<Row>) {
        if (isWhole(row)) count += insertRow(() => insert.run(...columns.map((name) => row[name] as Value)))
      }
      break
    } catch {
      // Damaged here: what lies behind is reached from the other end.
    }
  }
  return count
}

/** What does not fit the table's types is damaged. */
function insertRow(insert: () => { changes: number }): number {
  try {
    return insert().changes
  } catch {
    return 0
  }
}

function isWhole({ body }: Row): boolean {
  if (typeof body !== 'string') return body === undefined
  try {
    return typeof JSON.parse(body) === 'object'
  } catch {
    return false
  }
}

/**
 * What changes about sandboxes, durable: SQLite in WAL mode with full synchronisation, one file, one server.
 * Synchronous (a write costs about 0.2 ms); every write that returns is on disk.
 */
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { SandboxError } from '../errors.ts'
import { migrate } from './migrations.ts'

/** One sandbox: the columns that are searched or changed often, and the rest as JSON. */
export interface SandboxRow {
  id: string
  /** `creating`, `running`, `paused`, `stopped`, `failed`, `deleting` */
  status: string
  lastActiveAt: number
  /** JSON of all else. */
  body: string
}

export interface Store {
  all(): SandboxRow[]
  /** Inserts or replaces. Durable when it returns. DISK_FULL when there is no room. */
  save(row: SandboxRow): void
  /** Only the activity times, in one transaction. */
  saveActivity(times: Iterable<[id: string, lastActiveAt: number]>): void
  remove(id: string): void
  close(): void
}

/** Opens `<dataDir>/k2.db`, making folder (0700) and file (0600). Throws when another server has it open or the file is damaged. */
export function openStore(dataDir: string): Store {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const file = join(dataDir, 'k2.db')
  const db = new DatabaseSync(file, { timeout: 2000 })
  try {
    // One server a database: the lock is held until the process ends, however it ends.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;')
    chmodSync(file, 0o600)
    migrate(db)
  } catch (error) {
    db.close()
    throw explain(error, file)
  }
  return createStore(db)
}

function createStore(db: DatabaseSync): Store {
  const selectAll = db.prepare('SELECT id, status, last_active_at, body FROM sandboxes ORDER BY rowid')
  const upsert = db.prepare(
    'INSERT INTO sandboxes (id, status, last_active_at, body) VALUES (?, ?, ?, ?) ' +
      'ON CONFLICT (id) DO UPDATE SET status = excluded.status, last_active_at = excluded.last_active_at, body = excluded.body',
  )
  const touch = db.prepare('UPDATE sandboxes SET last_active_at = ? WHERE id = ?')
  const remove = db.prepare('DELETE FROM sandboxes WHERE id = ?')

  return {
    all: () => selectAll.all().map((row) => toRow(row)),
    save: ({ id, status, lastActiveAt, body }) => void run(upsert, id, status, lastActiveAt, body),
    saveActivity(times) {
      db.exec('BEGIN')
      try {
        for (const [id, lastActiveAt] of times) run(touch, lastActiveAt, id)
        db.exec('COMMIT')
      } catch (error) {
        db.exec('ROLLBACK')
        throw error
      }
    },
    remove: (id) => void run(remove, id),
    close: () => db.close(),
  }
}

function toRow(row: Record<string, unknown>): SandboxRow {
  return {
    id: String(row.id),
    status: String(row.status),
    lastActiveAt: Number(row.last_active_at),
    body: String(row.body),
  }
}

function run(statement: StatementSync, ...values: (string | number)[]): void {
  try {
    statement.run(...values)
  } catch (error) {
    throw explain(error, 'the database')
  }
}

/** SQLite's result codes: 5 busy, 11 corrupt, 13 full, 26 not a database (https://sqlite.org/rescode.html). */
function explain(error: unknown, where: string): Error {
  const code = (error as { errcode?: number }).errcode
  if (code === undefined) return error as Error
  if ((code & 0xff) === 13) {
    return new SandboxError('DISK_FULL', "the server's disk is full; free some space in its data folder", {
      cause: error,
    })
  }
  if ((code & 0xff) === 5) {
    return new Error(`${where} is in use by another server; give this one its own K2_DATA_DIR and K2_INSTANCE`, {
      cause: error,
    })
  }
  if ((code & 0xff) === 11 || (code & 0xff) === 26) {
    return new Error(`${where} is damaged; move it away and start again: sandboxes are found again by their labels`, {
      cause: error,
    })
  }
  return error as Error
}

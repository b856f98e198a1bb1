import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { backup, DatabaseSync, type StatementSync } from 'node:sqlite'
import { SandboxError } from '../errors.ts'
import { DamagedDatabase } from './damaged.ts'
import { migrate, versionOf } from './migrations.ts'

export type Value = string | number | null
export type Row = Record<string, unknown>

/** Of larger ones it is not compared whether indexes say the same as tables: that takes five times as long, a second for 20 MB. */
const MOST_PAGES_CHECKED = 2048

/**
 * `<dataDir>/k2.db`: SQLite in WAL mode with full synchronisation, one file, one server. Synchronous (a write costs about 0.2 ms);
 * every write that returns is on disk. Errors are SandboxErrors where a caller can do something: DISK_FULL.
 */
export class Database {
  readonly #db: DatabaseSync
  /** In a transaction already: what begins inside belongs to it. */
  #open = false

  /**
   * Makes folder (0700) and file (0600). Throws when another server has it open, DamagedDatabase when it is not whole.
   * `migrated: false`: left in its version.
   */
  constructor(dataDir: string, { migrated = true }: { migrated?: boolean } = {}) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    const file = join(dataDir, 'k2.db')
    this.#db = new DatabaseSync(file, { timeout: 2000 })
    try {
      // One server a database: the lock is held until the process ends, however it ends.
      this.#db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;')
      chmodSync(file, 0o600)
      this.#requireWhole()
      if (migrated) migrate(this.#db)
    } catch (error) {
      this.#db.close()
      throw explain(error, file)
    }
  }

  prepare(sql: string): Statement {
    return new Statement(this.#db.prepare(sql))
  }

  /** All that `work` writes is on disk when it returns, or, when anything throws, nothing of it. Inside another one it is part of that. */
  transaction<T>(work: () => T): T {
    if (this.#open) return work()
    this.#exec('BEGIN IMMEDIATE')
    this.#open = true
    try {
      const result = work()
      this.#exec('COMMIT')
      return result
    } catch (error) {
      // SQLite may have ended it by itself, as it does when the disk is full.
      if (this.#db.isTransaction) this.#exec('ROLLBACK')
      throw error
    } finally {
      this.#open = false
    }
  }

  get version(): number {
    return versionOf(this.#db)
  }

  /** Those that hold what the server was told; not `meta`. */
  tables(): string[] {
    const rows = this.#db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'meta'")
      .all()
    return rows.map(({ name }) => String(name))
  }

  columnsOf(table: string): string[] {
    return this.#db
      .prepare('SELECT name FROM pragma_table_info(?)')
      .all(table)
      .map(({ name }) => String(name))
  }

  /** A copy of it as it is at the end, while it is in use. The file must be there, and empty. */
  async copyTo(file: string): Promise<void> {
    await backup(this.#db, file)
  }

  /** All of it is in the file itself then, and the log begins anew. */
  checkpoint(): void {
    this.#exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  close(): void {
    this.#db.close()
  }

  #requireWhole(): void {
    const [pages] = Object.values(this.#db.prepare('PRAGMA page_count').get() ?? {})
    const check = Number(pages) <= MOST_PAGES_CHECKED ? 'integrity_check' : 'quick_check'
    const faults = this.#db.prepare(`PRAGMA ${check}(3)`).all()
    const texts = faults.map((row) => String(row[check]))
    if (texts.join() !== 'ok') throw new DamagedDatabase(texts.join('; ').replaceAll(/\s+/g, ' ').slice(0, 300))
  }

  #exec(sql: string): void {
    try {
      this.#db.exec(sql)
    } catch (error) {
      throw explain(error, 'the database')
    }
  }
}

/** A prepared statement; values are bound in order. */
export class Statement {
  readonly #statement: StatementSync

  constructor(statement: StatementSync) {
    this.#statement = statement
  }

  /** `lastInsertRowid` and `changes` as SQLite tells them. */
  run(...values: Value[]): { changes: number; lastInsertRowid: number } {
    const { changes, lastInsertRowid } = explained(() => this.#statement.run(...values))
    return { changes: Number(changes), lastInsertRowid: Number(lastInsertRowid) }
  }

  all(...values: Value[]): Row[] {
    return explained(() => this.#statement.all(...values))
  }

  get(...values: Value[]): Row | undefined {
    return explained(() => this.#statement.get(...values))
  }
}

function explained<T>(work: () => T): T {
  try {
    return work()
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
    return new DamagedDatabase((error as Error).message, { cause: error })
  }
  return error as Error
}

import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { moveAside, readStart } from './found.ts'
import { NEWEST_VERSION, versionOf } from './migrations.ts'
import { removeOpenMark } from './open-mark.ts'

/** The file's byte 18: it has no write-ahead log. */
const ROLLBACK = 1

/** Of a backup: one file, a SQLite database as the server's own, with the secret in a table of its own. */
interface Backup {
  secret: Buffer
  madeAt: Date
}

/**
 * Writes a backup (0600), whole or not at all, while the database is in use. `copyTo` fills an empty file with the database as it is.
 * Throws when `file` exists: none is ever overwritten.
 */
export async function writeBackup(
  file: string,
  secret: Buffer,
  copyTo: (file: string) => Promise<void>,
): Promise<{ sizeBytes: number }> {
  if (existsSync(file)) throw new Error(`${file} exists already; choose another name`)
  const part = `${file}.part`
  try {
    writeFileSync(part, '', { mode: 0o600, flag: 'wx' })
  } catch (error) {
    throw new Error(`${part} can't be written: ${(error as Error).message}`, { cause: error })
  }
  try {
    await copyTo(part)
    const db = new DatabaseSync(part)
    db.exec('PRAGMA journal_mode = DELETE; CREATE TABLE backup (secret TEXT NOT NULL, made_at TEXT NOT NULL) STRICT')
    db.prepare('INSERT INTO backup VALUES (?, ?)').run(secret.toString('hex'), new Date().toISOString())
    const pages = db.prepare('SELECT page_count * page_size AS size FROM pragma_page_count, pragma_page_size').get()
    db.close()
    readBackup(part)
    sync(part)
    renameSync(part, file)
    sync(dirname(file))
    return { sizeBytes: Number(pages?.size) }
  } finally {
    for (const end of ['', '-journal', '-wal', '-shm']) rmSync(`${part}${end}`, { force: true })
  }
}

/** Throws, with a sentence, when it is no whole backup. */
export function readBackup(file: string): Backup & { version: number } {
  if (!existsSync(file)) throw new Error(`${file} does not exist`)
  let db: DatabaseSync | undefined
  try {
    // Of a database that has a log beside it, SQLite would make one even to read it.
    if (readStart(file, 19)[18] !== ROLLBACK) throw new Error('not closed, or no database')
    db = new DatabaseSync(file, { readOnly: true })
    const check = db.prepare('PRAGMA integrity_check(1)').get()?.integrity_check
    const row = db.prepare('SELECT secret, made_at FROM backup').get()
    if (check !== 'ok' || !/^[0-9a-f]{64}$/.test(String(row?.secret))) throw new Error(String(check))
    return {
      secret: Buffer.from(String(row?.secret), 'hex'),
      madeAt: new Date(String(row?.made_at)),
      version: versionOf(db),
    }
  } catch (error) {
    throw new Error(`${file} is not a whole backup of this server; nothing was changed`, { cause: error })
  } finally {
    db?.close()
  }
}

/**
 * Puts database and secret of a backup into a data folder that no server uses. What was there is moved aside; gives its new name,
 * null where there was nothing.
 */
export function restoreBackup(file: string, dataDir: string): { keptAs: string | null; madeAt: Date } {
  const { secret, madeAt, version } = readBackup(file)
  if (version > NEWEST_VERSION) throw new Error(`${file} was made by a newer server; restore it with that one`)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const [database, secretFile] = [join(dataDir, 'k2.db.restored'), join(dataDir, 'secret.restored')]
  for (const old of [database, secretFile]) rmSync(old, { force: true })
  writeFileSync(secretFile, secret.toString('hex'), { mode: 0o600, flush: true })
  writeFileSync(database, '', { mode: 0o600 })
  const source = new DatabaseSync(file, { readOnly: true })
  source.prepare('VACUUM INTO ?').run(database)
  source.close()
  const db = new DatabaseSync(database)
  db.exec('DROP TABLE backup')
  db.close()
  sync(database)
  const had = existsSync(join(dataDir, 'k2.db'))
  const keptAs = had ? moveAside(dataDir, 'replaced') : null
  removeOpenMark(dataDir)
  const oldSecret = join(dataDir, 'secret')
  if (keptAs !== null && existsSync(oldSecret)) renameSync(oldSecret, join(dataDir, `${keptAs}.secret`))
  renameSync(secretFile, oldSecret)
  renameSync(database, join(dataDir, 'k2.db'))
  sync(dataDir)
  return { keptAs, madeAt }
}

function sync(path: string): void {
  const handle = openSync(path, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

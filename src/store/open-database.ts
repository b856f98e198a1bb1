import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isSandboxError } from '../errors.ts'
import { DamagedDatabase } from './damaged.ts'
import { Database } from './database.ts'
import { endsWithPage, type Found, isThere, moveAside } from './found.ts'
import { metaTable } from './meta.ts'
import { readOpenMark, removeOpenMark, setOpenMark } from './open-mark.ts'
import { salvage } from './salvage.ts'
import { digestOfSecret, hasSecret } from './secret.ts'
import { lossOf } from './wal.ts'

/**
 * Opens `<dataDir>/k2.db`. One that is damaged is moved aside and made anew, with what can be read of it; `found` says so, and the
 * engine knows the rest. Throws when another server has it, or a newer version made it.
 */
export function openDatabase(dataDir: string): { db: Database; found: Found } {
  const file = join(dataDir, 'k2.db')
  const mark = readOpenMark(dataDir)
  const before = isThere(file)
  // A log without its database would be taken for that of the new one.
  if (!before && existsSync(`${file}-wal`)) moveAside(dataDir, 'stray')
  const loss = before && mark !== null ? lossOf(`${file}-wal`) : null
  try {
    if (before && mark === null && !endsWithPage(file)) throw new DamagedDatabase('it ends in the middle of a page')
    const db = openWhole(dataDir, before ? mark : null)
    if (loss !== null) return { db, found: { kind: 'older', why: loss } }
    if (before) return { db, found: { kind: 'whole' } }
    return { db, found: { kind: mark !== null || hasSecret(dataDir) ? 'missing' : 'new' } }
  } catch (error) {
    if (!(error instanceof DamagedDatabase)) throw error
    return rebuilt(dataDir, mark, loss ?? error.message)
  }
}

function openWhole(dataDir: string, mark: string | null): Database {
  const db = new Database(dataDir)
  try {
    const meta = metaTable(db)
    const id = meta.get('id')
    if (id === null) throw new DamagedDatabase('it has lost its id')
    if (mark && mark !== id && /^[0-9a-f]{32}$/.test(mark)) throw new DamagedDatabase('its log is of another database')
    setMark(dataDir, db, id)
    return db
  } catch (error) {
    db.close()
    // Its version says that there are tables, and there are not.
    if (/no such (table|column)/.test((error as Error).message)) throw new DamagedDatabase((error as Error).message)
    throw error
  }
}

/** So that there is a log from here on, and a mark that says so. A full disk does without: it can still be read. */
function setMark(dataDir: string, db: Database, id: string): void {
  removeOpenMark(dataDir)
  try {
    db.checkpoint()
    metaTable(db).set('opened_at', new Date().toISOString())
    setOpenMark(dataDir, id)
  } catch (error) {
    if (!isSandboxError(error, 'DISK_FULL') && (error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    removeOpenMark(dataDir)
  }
}

function rebuilt(dataDir: string, mark: string | null, why: string): { db: Database; found: Found } {
  const keptAs = moveAside(dataDir, 'damaged')
  const db = openWhole(dataDir, null)
  const secret = digestOfSecret(dataDir)
  const rows = salvage(db, join(dataDir, keptAs), (meta) =>
    mark ? meta.id === mark : secret !== null && meta.secret === secret,
  )
  return { db, found: { kind: 'damaged', why, keptAs, rows } }
}

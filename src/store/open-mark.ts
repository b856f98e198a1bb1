import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * `<dataDir>/k2.db-open` is there from after the first write of a server to before it closes the database, and holds the
 * database's id. So a write-ahead log has to be there when it is, and has to be that database's.
 */
const fileOf = (dataDir: string) => join(dataDir, 'k2.db-open')

/** null: the last server has closed its database, or there was none. */
export function readOpenMark(dataDir: string): string | null {
  try {
    return readFileSync(fileOf(dataDir), 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

export function setOpenMark(dataDir: string, id: string): void {
  writeFileSync(fileOf(dataDir), `${id}\n`, { mode: 0o600, flush: true })
}

export function removeOpenMark(dataDir: string): void {
  rmSync(fileOf(dataDir), { force: true })
}

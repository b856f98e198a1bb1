import { closeSync, existsSync, openSync, readSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** How a start found the database of its data folder. */
export type Found =
  | { kind: 'whole' }
  | { kind: 'new' }
  /** There was one: its secret, or its mark, is there. */
  | { kind: 'missing' }
  /** It was opened, and is older than what was written to it last. */
  | { kind: 'older'; why: string }
  /** `keptAs`: name of the damaged file, in the same folder. `rows`: what could be read of it, by table. */
  | { kind: 'damaged'; why: string; keptAs: string; rows: Record<string, number> }

export function isThere(file: string): boolean {
  return existsSync(file) && statSync(file).size > 0
}

/** Whether its size is that of whole pages, as it is when a server has closed it. SQLite itself reads the rest of a cut page as zeros. */
export function endsWithPage(file: string): boolean {
  const header = readStart(file, 18)
  const pageBytes = header.length < 18 ? 0 : header.readUInt16BE(16)
  return pageBytes === 0 || statSync(file).size % (pageBytes === 1 ? 65_536 : pageBytes) === 0
}

/** The first bytes of a file, as many as there are. */
export function readStart(file: string, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  const handle = openSync(file, 'r')
  try {
    return bytes.subarray(0, readSync(handle, bytes, 0, length, 0))
  } finally {
    closeSync(handle)
  }
}

/** Moves a database with its logs out of the way, whatever is there of them, and gives the new name of the file. */
export function moveAside(dataDir: string, why: 'damaged' | 'stray' | 'replaced', now = new Date()): string {
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, '')
  let name = `k2.db.${why}-${stamp}`
  for (let n = 2; ENDS.some((end) => existsSync(join(dataDir, name + end))); n++) name = `k2.db.${why}-${stamp}-${n}`
  for (const end of ENDS) {
    if (existsSync(join(dataDir, `k2.db${end}`))) renameSync(join(dataDir, `k2.db${end}`), join(dataDir, name + end))
  }
  return name
}

/** The logs first: a database without its log is old, a log without its database is nothing. */
const ENDS = ['-wal', '-shm', '-journal', '']

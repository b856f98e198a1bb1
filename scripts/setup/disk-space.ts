import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describeLittleSpace, SetupError } from './problems.ts'

/** Throws SetupError when less than `neededBytes` are free at `path` (or at its nearest parent that exists). */
export async function requireFreeSpace(path: string, neededBytes: number): Promise<void> {
  const freeBytes = await freeSpace(path)
  if (freeBytes < neededBytes) throw new SetupError(describeLittleSpace(path, freeBytes, neededBytes))
}

async function freeSpace(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path)
    return bavail * bsize
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if ((code === 'ENOENT' || code === 'ENOTDIR') && dirname(path) !== path) return freeSpace(dirname(path))
    // A folder that only root may look into (the engine's own) says nothing about its space.
    return Number.POSITIVE_INFINITY
  }
}

import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Names of the files below `folder` that `wanted` picks, relative to it, sorted: the order does not depend on the file system. */
export async function listSources(folder: string, wanted: (name: string) => boolean): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter(wanted)
    .sort()
}

/** 16 hex digits over the names and contents of files and over `more`. */
export async function hashSources(folder: string, names: string[], more: string[] = []): Promise<string> {
  const hash = createHash('sha256')
  for (const name of names) {
    const content = await readFile(join(folder, name))
    hash.update(`${name}\0${content.length}\0`).update(content)
  }
  hash.update(more.join('\0'))
  return hash.digest('hex').slice(0, 16)
}

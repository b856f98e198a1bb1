import type { Stats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { byPath, tooManyChanges } from '../changes.ts'
import type { FileChange } from '../types.ts'
import { codeOf } from './sandbox-folder.ts'

const MOST_ENTRIES = 150_000

/** How a sandbox's folder differs from the files it began with (null: none): by type, size, mode and time of change. */
export async function folderChanges(home: string, origin: string | null): Promise<FileChange[]> {
  const now = await treeOf(home)
  const before = origin === null ? new Map<string, string>() : await treeOf(origin)
  const changes: FileChange[] = []
  for (const [name, state] of now) {
    const was = before.get(name)
    if (was !== state) changes.push({ path: `${home}/${name}`, kind: was === undefined ? 'added' : 'modified' })
  }
  for (const name of before.keys()) if (!now.has(name)) changes.push({ path: `${home}/${name}`, kind: 'deleted' })
  return changes.sort(byPath)
}

/** Name → what tells one state from another. */
async function treeOf(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const open = ['']
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    const names = await readdir(join(root, folder)).catch(gone)
    for (const name of names ?? []) {
      const path = folder === '' ? name : `${folder}/${name}`
      const stats = await lstat(join(root, path)).catch(gone)
      if (stats == null) continue
      found.set(path, stateOf(stats))
      if (found.size > MOST_ENTRIES) throw tooManyChanges()
      if (stats.isDirectory()) open.push(path)
    }
  }
  return found
}

/** A copy has its times to the millisecond; of a folder, whatever was made in it later. */
function stateOf(stats: Stats): string {
  return stats.isDirectory() ? `${stats.mode}` : `${stats.mode} ${stats.size} ${Math.floor(stats.mtimeMs)}`
}

/** Removed while this looked. */
function gone(error: unknown): null {
  if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
  throw error
}

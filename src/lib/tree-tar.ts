import type { Stats } from 'node:fs'
import { constants } from 'node:fs'
import { lstat, open, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Pack, pack } from 'tar-stream'

/**
 * Tar of a file or tree on this machine's disk, as it is read: `name` is what the root is called in it. Links are packed as
 * links, never followed; sockets are left out. A file that changes its size meanwhile fails the stream.
 */
export function packTree(path: string, name: string): Readable {
  const archive = pack()
  addTree(archive, path, name).then(
    () => archive.finalize(),
    (error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))),
  )
  return Readable.from(archive as AsyncIterable<Buffer>, { objectMode: false })
}

async function addTree(archive: Pack, path: string, name: string): Promise<void> {
  const stats = await lstat(path)
  const header = { name, mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid, mtime: stats.mtime }
  if (stats.isDirectory()) {
    archive.entry({ ...header, type: 'directory' })
    for (const child of (await readdir(path)).sort()) await addTree(archive, join(path, child), `${name}/${child}`)
  } else if (stats.isSymbolicLink()) {
    archive.entry({ ...header, type: 'symlink', linkname: await readlink(path) })
  } else if (stats.isFIFO()) {
    archive.entry({ ...header, type: 'fifo' })
  } else if (stats.isFile()) {
    await addFile(archive, path, header)
  }
}

async function addFile(
  archive: Pack,
  path: string,
  header: { name: string; mode: number; uid: number; gid: number; mtime: Date },
): Promise<void> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  const stats: Stats = await file.stat()
  if (stats.size === 0) {
    archive.entry({ ...header, type: 'file' }, Buffer.alloc(0))
    return
  }
  const entry = archive.entry({ ...header, type: 'file', size: stats.size })
  await pipeline(file.createReadStream({ autoClose: false, start: 0, end: stats.size - 1 }), entry)
}

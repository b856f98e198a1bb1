import { constants } from 'node:fs'
import { lstat, mkdir, open, realpath, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { addAbortSignal, type Readable } from 'node:stream'
import { SandboxError } from '../../errors.ts'
import { readTar } from '../../lib/tar.ts'
import { packTree } from '../../lib/tree-tar.ts'
import { codeOf } from './sandbox-folder.ts'

const ENTRY_LIMIT_BYTES = 256 * 1024 * 1024

/** Tar of one file or tree of a sandbox; the names in it begin with its own. A symlink is packed as one. */
export async function readFolderArchive(
  home: string,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Readable> {
  const inside = await resolveInside(home, path)
  await lstat(inside).catch(explain(path))
  const tar = packTree(inside, basename(inside))
  return signal === undefined ? tar : addAbortSignal(signal, tar)
}

/** Unpacks files and folders below an existing folder of a sandbox; what was there under the same name is replaced. */
export async function writeFolderArchive(
  home: string,
  path: string,
  tar: Readable,
  signal: AbortSignal | undefined,
): Promise<void> {
  const source = signal === undefined ? tar : addAbortSignal(signal, tar)
  try {
    const folder = await resolveInside(home, path)
    const { isDirectory } = await lstat(folder).then((stats) => ({ isDirectory: stats.isDirectory() }), explain(path))
    if (!isDirectory) throw new SandboxError('PATH_NOT_DIRECTORY', `${path} is not a folder`)
    for await (const entry of readTar(source)) {
      const target = await resolveInside(home, join(folder, checkedName(entry.name)))
      if (entry.type === 'directory') await mkdir(target, { recursive: true, mode: entry.mode })
      else if (entry.type !== 'file' || entry.sizeBytes > ENTRY_LIMIT_BYTES) throw unsafe(entry.name)
      else await replaceFile(target, await entry.bytes(), entry.mode)
    }
  } catch (error) {
    tar.destroy()
    signal?.throwIfAborted()
    throw error
  }
}

/** Never through a link: what is there goes, then the file is made. */
async function replaceFile(path: string, content: Buffer, mode: number): Promise<void> {
  await rm(path, { force: true }).catch(explain(path))
  const { O_WRONLY, O_CREAT, O_EXCL } = constants
  await using file = await open(path, O_WRONLY | O_CREAT | O_EXCL, mode)
  await file.writeFile(content)
  await file.chmod(mode)
}

/** The path with the links of its folders resolved, at or below `home`. FILE_NOT_FOUND, PATH_NOT_DIRECTORY, PATH_REFUSED. */
async function resolveInside(home: string, path: string): Promise<string> {
  const refused = new SandboxError('PATH_REFUSED', `${path} is not in this sandbox's folder ${home}`)
  if (!path.startsWith('/') || path.includes('\0')) throw refused
  const top = await realpath(home).catch(explain(home))
  const plain = resolve(path)
  if (plain === home || plain === top) return top
  const inside = join(await realpath(dirname(plain)).catch(explain(path)), basename(plain))
  if (!inside.startsWith(`${top}/`)) throw refused
  return inside
}

function checkedName(name: string): string {
  if (name.startsWith('/') || name.includes('\0') || name.split('/').includes('..')) throw unsafe(name)
  return name
}

function unsafe(name: string): SandboxError {
  return new SandboxError(
    'ARCHIVE_UNSAFE',
    `the entry ${JSON.stringify(name)} can't be unpacked into a stopped sandbox`,
  )
}

function explain(path: string): (error: unknown) => never {
  return (error) => {
    const code = codeOf(error)
    if (code === 'ENOENT')
      throw new SandboxError('FILE_NOT_FOUND', `no file or folder ${path} in the sandbox`, { cause: error })
    if (code === 'ENOTDIR')
      throw new SandboxError('PATH_NOT_DIRECTORY', `a part of ${path} is not a folder`, { cause: error })
    if (code === 'EISDIR' || code === 'ERR_FS_EISDIR')
      throw new SandboxError('PATH_IS_DIRECTORY', `${path} is a folder`, { cause: error })
    if (code === 'EACCES') throw new SandboxError('PERMISSION_DENIED', `no permission for ${path}`, { cause: error })
    throw error
  }
}

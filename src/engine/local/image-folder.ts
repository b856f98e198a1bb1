import { constants } from 'node:fs'
import { cp, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SandboxError } from '../../errors.ts'
import { isSandboxId } from '../../lib/ids.ts'
import type { EngineImage, ImageSpec } from '../types.ts'
import { codeOf } from './sandbox-folder.ts'

type Kept = EngineImage & Pick<ImageSpec, 'env' | 'user' | 'workdir'>

/** Copies of sandboxes' files: `<dataDir>/local-images/<id>/` with `files/`, and `image.json`, which comes last and goes first. */
export class ImageFolders {
  readonly #root: string

  constructor(dataDir: string) {
    this.#root = join(dataDir, 'local-images')
  }

  /** Removes what a crash left half-made. */
  async open(): Promise<void> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 })
    const whole = new Set((await this.list()).map(({ id }) => id))
    for (const name of await readdir(this.#root)) if (!whole.has(name)) await this.#clear(name)
  }

  async create(spec: ImageSpec, home: string, signal: AbortSignal | undefined): Promise<EngineImage> {
    const { kind, id, record, env, user, workdir } = spec
    const createdAt = Date.now()
    try {
      await mkdir(this.#folder(id), { mode: 0o700 })
      await copyTree(home, this.filesOf(id), signal)
      const kept: Kept = { kind, id, ref: id, record, createdAt, env, user, workdir }
      const path = join(this.#folder(id), 'image.json')
      await writeFile(`${path}.new`, JSON.stringify(kept), { mode: 0o600 })
      await rename(`${path}.new`, path)
      return { kind, id, ref: id, record, createdAt }
    } catch (error) {
      await this.#clear(id)
      throw error
    }
  }

  async list(): Promise<EngineImage[]> {
    const ids = (await readdir(this.#root)).filter(isSandboxId)
    const found = await Promise.all(ids.map((id) => this.find(id)))
    return found.flatMap((kept) => {
      if (kept === null) return []
      const { kind, id, ref, record, createdAt } = kept
      return [{ kind, id, ref, record, createdAt }]
    })
  }

  /** null when there is none. */
  async find(id: string): Promise<Kept | null> {
    if (!isSandboxId(id)) return null
    try {
      return JSON.parse(await readFile(join(this.#folder(id), 'image.json'), 'utf8')) as Kept
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null
      throw error
    }
  }

  /** Idempotent. */
  async remove(id: string): Promise<void> {
    if (!isSandboxId(id)) return
    await rm(join(this.#folder(id), 'image.json'), { force: true })
    await this.#clear(id)
  }

  filesOf(id: string): string {
    return join(this.#folder(id), 'files')
  }

  #folder(id: string): string {
    return join(this.#root, id)
  }

  async #clear(name: string): Promise<void> {
    await rm(join(this.#root, name), { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Files, folders and links, with modes and times; by reference where the file system can. Sockets and pipes are left out. */
export async function copyTree(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  const filter = async (source: string): Promise<boolean> => {
    signal?.throwIfAborted()
    const stats = await lstat(source)
    return stats.isFile() || stats.isDirectory() || stats.isSymbolicLink()
  }
  try {
    const mode = constants.COPYFILE_FICLONE
    await cp(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true, mode, filter })
  } catch (error) {
    if (codeOf(error) !== 'ENOSPC') throw error
    throw new SandboxError('DISK_FULL', "the disk of this server's data folder is full; free some space", {
      cause: error,
    })
  }
}

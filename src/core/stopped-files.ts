import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import type { Engine, EngineRef } from '../engine/types.ts'
import { isSandboxError, SandboxError } from '../errors.ts'
import { type NewTarEntry, readTar, type TarEntry, writeTar } from '../lib/tar.ts'
import { noRoom, tooLarge, UNCOUNTED_BYTES } from './file-limit.ts'
import type { CallOptions, FileEntry, OpenedFile } from './model.ts'
import type { SandboxRecord } from './record.ts'
import { throwExplained } from './removed-outside.ts'

/** A listed folder is walked with all below it, as the engine archives whole trees. */
const LIMIT_MS = 60_000
const MOST_ENTRIES = 100_000
const MOST_LINKS = 8
const FILE_MODE = 0o644
const FOLDER_MODE = 0o755

interface Opened extends AsyncDisposable {
  /** What the path names, or what a link there leads to. */
  entry: TarEntry
  /** The path after links. */
  path: string
  /** What is below it, in the archive's order; names are relative to it. */
  below: AsyncIterable<{ name: string; entry: TarEntry }>
}

/**
 * Files of a sandbox that does not run, through the engine's archives. What is uploaded is made by the server: the one file, and
 * the folders that are missing, owned by the sandbox's user. Rights are not checked: nothing runs that they could protect.
 */
export class StoppedFiles {
  readonly #engine: Engine
  readonly #limitBytes: number

  constructor({ engine, limitBytes }: { engine: Engine; limitBytes: number }) {
    this.#engine = engine
    this.#limitBytes = limitBytes
  }

  async list(record: SandboxRecord, path: string, { signal }: CallOptions): Promise<FileEntry[]> {
    await using opened = await this.#open(record, path, bounded(signal))
    if (opened.entry.type !== 'directory') throw new SandboxError('PATH_NOT_DIRECTORY', `${path} is not a directory`)
    const entries: FileEntry[] = []
    for await (const { name, entry } of opened.below) {
      if (name.includes('/')) continue
      entries.push(toFileEntry(entry, name, posix.join(path, name)))
      if (entries.length > MOST_ENTRIES)
        throw new SandboxError(
          'FILE_TOO_LARGE',
          `the folder has more than ${MOST_ENTRIES} entries; start the sandbox and list it with a command`,
        )
    }
    return entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  }

  /** FILE_NOT_FOUND. Of what a link leads to. */
  async stat(record: SandboxRecord, path: string, { signal }: CallOptions): Promise<FileEntry> {
    await using opened = await this.#open(record, path, bounded(signal))
    return toFileEntry(opened.entry, posix.basename(opened.path), opened.path)
  }

  /** Of the path itself, links not followed; null when there is nothing. */
  async modifiedAt(record: SandboxRecord, path: string, { signal }: CallOptions): Promise<number | null> {
    const ref = requireMade(record, path)
    try {
      const walk = readTar(
        await this.#engine.readArchive(record.id, ref, path, { signal: bounded(signal) }).catch(throwExplained),
      )
      const first = await walk.next()
      await walk.return()
      return first.done ? null : first.value.mtime
    } catch (error) {
      if (isSandboxError(error, 'FILE_NOT_FOUND') || isSandboxError(error, 'PATH_NOT_DIRECTORY')) return null
      throw error
    }
  }

  /** The file's bytes as they come. */
  async open(record: SandboxRecord, path: string, { signal }: CallOptions): Promise<OpenedFile> {
    const opened = await this.#open(record, path, signal ?? new AbortController().signal)
    const { entry } = opened
    try {
      requireRegular(entry, path)
    } catch (error) {
      await opened[Symbol.asyncDispose]()
      throw error
    }
    const body = entry.stream()
    body.once('close', () => void opened[Symbol.asyncDispose]())
    const { etag, mode, mtime } = toFileEntry(entry, '', path)
    return {
      sizeBytes: entry.sizeBytes,
      offset: 0,
      lengthBytes: entry.sizeBytes,
      partial: false,
      etag,
      mode,
      mtime,
      body,
    }
  }

  /** The tree as the engine packs it: a tar whose names begin with the path's last part. */
  async pack(record: SandboxRecord, path: string, { signal }: CallOptions): Promise<Readable> {
    const ref = requireMade(record, path)
    return await this.#engine.readArchive(record.id, ref, posix.normalize(path), { signal }).catch(throwExplained)
  }

  async read(record: SandboxRecord, path: string, { signal, memory }: CallOptions): Promise<Uint8Array> {
    await using opened = await this.#open(record, path, bounded(signal))
    requireRegular(opened.entry, path)
    const { sizeBytes } = opened.entry
    if (sizeBytes > this.#limitBytes) throw tooLarge(this.#limitBytes)
    if (sizeBytes > UNCOUNTED_BYTES && memory?.take(sizeBytes) === false) throw noRoom()
    // Awaited here: the archive is closed on the way out.
    return await opened.entry.bytes()
  }

  /** Replaces or makes the file, with its parents. A file that is there keeps its owner and mode. PATH_REFUSED where nothing is kept. */
  async write(record: SandboxRecord, path: string, content: Uint8Array, { signal }: CallOptions): Promise<void> {
    if (record.ref === null)
      throw new SandboxError('SANDBOX_STATE_CONFLICT', 'the sandbox was never made; delete it and create another')
    const limit = bounded(signal)
    const before = await this.#find(record, path, limit)
    if (before) requireRegular(before.entry, path)
    const { folder, missing } = await this.#deepestFolder(
      record,
      posix.dirname(before?.path ?? posix.normalize(path)),
      limit,
    )
    const user = record.identity ?? { uid: 0, gid: 0 }
    const folders = missing.map(
      (_, index): NewTarEntry => ({
        name: `${missing.slice(0, index + 1).join('/')}/`,
        type: 'directory',
        mode: FOLDER_MODE,
        ...user,
      }),
    )
    const name = [...missing, posix.basename(before?.path ?? path)].join('/')
    const { mode, uid, gid } = before?.entry ?? { mode: FILE_MODE, ...user }
    // As a write of the kernel's: what runs as its owner does not go on doing so with other content.
    const file: NewTarEntry = { name, type: 'file', mode: mode & 0o777, uid, gid, content }
    await this.#engine
      .writeArchive(record.id, record.ref, folder, writeTar([...folders, file]), { signal: limit })
      .catch(throwExplained)
  }

  /** The nearest folder upwards that exists, and the names of those below it that do not. */
  async #deepestFolder(
    record: SandboxRecord,
    folder: string,
    signal: AbortSignal,
  ): Promise<{ folder: string; missing: string[] }> {
    const missing: string[] = []
    for (let at = folder; ; at = posix.dirname(at)) {
      const found = at === '/' ? undefined : await this.#find(record, at, signal)
      if (found && found.entry.type !== 'directory')
        throw new SandboxError('PATH_NOT_DIRECTORY', `${at} is not a directory`)
      if (found || at === '/') return { folder: found?.path ?? '/', missing }
      missing.unshift(posix.basename(at))
    }
  }

  /** What a path names, undefined when nothing. Reads no more than the first header. */
  async #find(
    record: SandboxRecord,
    path: string,
    signal: AbortSignal,
  ): Promise<{ entry: TarEntry; path: string } | undefined> {
    try {
      await using opened = await this.#open(record, path, signal)
      return { entry: opened.entry, path: opened.path }
    } catch (error) {
      if (isSandboxError(error, 'FILE_NOT_FOUND')) return undefined
      throw error
    }
  }

  /** FILE_NOT_FOUND. Links are followed here: the engine gives a link itself. */
  async #open(record: SandboxRecord, path: string, signal: AbortSignal, links = 0): Promise<Opened> {
    const ref = requireMade(record, path)
    const normal = posix.normalize(path)
    const archive = this.#engine.readArchive(record.id, ref, normal, { signal })
    const walk = readTar(await archive.catch(throwExplained))
    const first = await walk.next()
    if (first.done) throw new SandboxError('FILE_NOT_FOUND', `${path} does not exist`)
    const entry = first.value
    const close = async () => void (await walk.return())
    if (entry.type === 'symlink') {
      await close()
      if (links >= MOST_LINKS)
        throw new SandboxError('FILE_NOT_FOUND', `${path} is a chain of more than ${MOST_LINKS} links`)
      return this.#open(record, posix.resolve(posix.dirname(normal), entry.linkname ?? ''), signal, links + 1)
    }
    return { entry, path: normal, below: below(entry.name, walk), [Symbol.asyncDispose]: close }
  }
}

/** Names relative to the root entry, whose own name is the folder's (`user`, `.` or empty for `/`). */
async function* below(root: string, walk: AsyncIterable<TarEntry>): AsyncGenerator<{ name: string; entry: TarEntry }> {
  const prefix = root === '' ? '' : `${root}/`
  for await (const entry of walk) {
    const name = entry.name.startsWith(prefix) ? entry.name.slice(prefix.length) : entry.name
    yield { name: name.replace(/^\/+/, ''), entry }
  }
}

function requireMade({ ref }: SandboxRecord, path: string): EngineRef {
  if (ref !== null) return ref
  throw new SandboxError('FILE_NOT_FOUND', `${path} does not exist: the sandbox was never made`)
}

function requireRegular(entry: TarEntry, path: string): void {
  if (entry.type === 'directory') throw new SandboxError('PATH_IS_DIRECTORY', `${path} is a directory`)
  if (entry.type !== 'file') throw new SandboxError('PATH_NOT_REGULAR_FILE', `${path} is not a regular file`)
}

function toFileEntry(entry: TarEntry, name: string, path: string): FileEntry {
  const { type, sizeBytes, mode, uid, gid, mtime, linkname: target } = entry
  const etag = `s-${sizeBytes.toString(16)}-${Math.round(mtime).toString(16)}-${mode.toString(8)}`
  return { name, nameBase64: null, path, type, sizeBytes, mode, uid, gid, mtime, target, etag }
}

function bounded(signal: AbortSignal | undefined): AbortSignal {
  const limit = AbortSignal.timeout(LIMIT_MS)
  return signal ? AbortSignal.any([signal, limit]) : limit
}

import type { Readable } from 'node:stream'
import { isSandboxError, SandboxError } from '../errors.ts'
import { checkedBody } from '../lib/checked-body.ts'
import type { FileAccess, FileOptions, FileTarget } from './file-access.ts'
import { noRoom, tooLarge } from './file-limit.ts'
import type { ByteRange, FileCondition, FileEntry, OpenedFile } from './model.ts'
import type { SandboxRules } from './new-record.ts'
import type { SandboxRecord } from './record.ts'
import type { StoppedFiles } from './stopped-files.ts'

export interface ReplaceOptions extends FileOptions, FileCondition {
  mode?: number | undefined
  owner?: string | undefined
  /** Of the whole content: nothing is written when it is another. */
  digest?: { algorithm: 'sha256' | 'sha512'; bytes: Buffer } | undefined
  /** How long the body will be, where that is known. */
  sizeBytes?: number | undefined
}

/** One file as a stream of bytes: of any size, never held here. While a sandbox is stopped, through the engine's archives. */
export class FileContents {
  readonly #access: FileAccess
  readonly #stopped: StoppedFiles
  readonly #limits: { uploadBytes: number; fileBytes: number }

  constructor(parts: { access: FileAccess; stopped: StoppedFiles; rules: SandboxRules }) {
    this.#access = parts.access
    this.#stopped = parts.stopped
    this.#limits = parts.rules.limits
  }

  /** Of what a link points to; with `follow: false` of the link itself. FILE_NOT_FOUND, PERMISSION_DENIED. */
  async stat(
    id: string,
    path: string,
    options: FileOptions & { follow?: boolean | undefined } = {},
  ): Promise<FileEntry> {
    using target = await this.#access.target(id, path, options)
    if (target.stopped) return await this.#stopped.stat(target.stopped, target.path, options)
    const { client, user, signal } = await this.#access.running(target, options)
    return await client.stat(target.path, user, { signal, follow: options.follow ?? true })
  }

  /**
   * Counts as use until the body has ended. A stopped sandbox gives the whole file whatever the range. FILE_NOT_FOUND,
   * PATH_IS_DIRECTORY, PATH_NOT_REGULAR_FILE, PERMISSION_DENIED, RANGE_NOT_SATISFIABLE.
   */
  async open(
    id: string,
    path: string,
    { range, ...options }: FileOptions & { range?: ByteRange | undefined } = {},
  ): Promise<OpenedFile> {
    const target = await this.#access.target(id, path, options)
    try {
      const opened = target.stopped
        ? await this.#stopped.open(target.stopped, target.path, options)
        : await this.#openRunning(target, options, range)
      opened.body.once('close', () => target[Symbol.dispose]())
      return opened
    } catch (error) {
      target[Symbol.dispose]()
      throw error
    }
  }

  async #openRunning(target: FileTarget, options: FileOptions, range: ByteRange | undefined): Promise<OpenedFile> {
    const { client, user, signal } = await this.#access.running(target, options)
    const { body, ...content } = await client.readFile(target.path, user, { signal, range })
    return { ...content, body: body.stream() }
  }

  /** Base64, computed in the sandbox. FILE_NOT_FOUND… */
  async digest(
    id: string,
    path: string,
    algorithm: 'sha256' | 'sha512',
    options: FileOptions = {},
  ): Promise<{ digest: string; sizeBytes: number; etag: string | null }> {
    return await this.#access.inRunning(id, path, options, ({ client, user, path: absolute, signal }) =>
      client.digest(absolute, user, algorithm, { signal }),
    )
  }

  /**
   * Replaces or makes the file at once, with its parents: it has its old content until the new one is there whole. `body` stays the
   * caller's. PRECONDITION_FAILED, DIGEST_MISMATCH, FILE_TOO_LARGE, PERMISSION_DENIED, NO_SPACE_IN_SANDBOX.
   */
  async replace(
    id: string,
    path: string,
    body: Readable,
    { mode, owner, digest, sizeBytes, ifMatch, ifNoneMatch, ...options }: ReplaceOptions = {},
  ): Promise<FileEntry> {
    using target = await this.#access.target(id, path, options)
    const limitBytes = target.stopped ? this.#limits.fileBytes : this.#limits.uploadBytes
    if (sizeBytes !== undefined && sizeBytes > limitBytes) throw this.#tooLarge(limitBytes)
    const needsChecks = digest !== undefined || sizeBytes === undefined
    const checks = { limitBytes, digest, tooLarge: () => this.#tooLarge(limitBytes), wrongDigest }
    const content = needsChecks ? checkedBody(body, checks) : body
    if (!target.stopped) {
      const { client, user, signal } = await this.#access.running(target, options)
      return await client.writeFile(target.path, user, content, { signal, mode, owner, ifMatch, ifNoneMatch })
    }
    if (mode !== undefined || owner !== undefined)
      throw new SandboxError(
        'SANDBOX_STATE_CONFLICT',
        'the sandbox is stopped: a file keeps its mode and owner there; start it first',
      )
    await this.#requireInStopped(target.stopped, target.path, { ifMatch, ifNoneMatch })
    const chunks: Buffer[] = []
    for await (const chunk of content as AsyncIterable<Buffer>) {
      if (options.memory?.take(chunk.length) === false) throw noRoom()
      chunks.push(chunk)
    }
    await this.#stopped.write(target.stopped, target.path, Buffer.concat(chunks), options)
    return await this.#stopped.stat(target.stopped, target.path, options)
  }

  /** A file, a link, or with `recursive` a folder with all in it. FILE_NOT_FOUND, PATH_IS_DIRECTORY, PRECONDITION_FAILED. */
  async remove(
    id: string,
    path: string,
    { recursive, ifMatch, ...options }: FileOptions & FileCondition & { recursive?: boolean | undefined } = {},
  ): Promise<void> {
    await this.#access.inRunning(id, path, options, ({ client, user, path: absolute, signal }) =>
      client.remove(absolute, user, { signal, recursive: recursive ?? false, ifMatch }),
    )
  }

  async #requireInStopped(record: SandboxRecord, path: string, { ifMatch, ifNoneMatch }: FileCondition): Promise<void> {
    if (ifMatch === undefined && ifNoneMatch === undefined) return
    const found = await this.#stopped.stat(record, path, {}).catch((error: unknown) => {
      if (isSandboxError(error, 'FILE_NOT_FOUND')) return null
      throw error
    })
    const is = (wanted: string) => found !== null && (wanted === '*' || wanted === found.etag)
    if ((ifMatch !== undefined && !is(ifMatch)) || (ifNoneMatch !== undefined && is(ifNoneMatch)))
      throw new SandboxError('PRECONDITION_FAILED', `${path} is not what the condition of the request asks for`)
  }

  #tooLarge(limitBytes: number): SandboxError {
    if (limitBytes === this.#limits.fileBytes) return tooLarge(limitBytes)
    return new SandboxError('FILE_TOO_LARGE', `uploads may have ${limitBytes} bytes at most (K2_MAX_UPLOAD_MB)`)
  }
}

function wrongDigest(): SandboxError {
  return new SandboxError(
    'DIGEST_MISMATCH',
    'the content that arrived is not what its digest says; nothing was written',
  )
}

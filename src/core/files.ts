import { SandboxError } from '../errors.ts'
import type { FileAccess, FileOptions } from './file-access.ts'
import { noRoom, tooLarge, UNCOUNTED_BYTES } from './file-limit.ts'
import type { CallOptions, FileEntry } from './model.ts'
import type { SandboxRules } from './new-record.ts'
import type { StoppedFiles } from './stopped-files.ts'

/** Files of a sandbox as wholes: through its agent while it runs, through the engine's archives while it is stopped. */
export class Files {
  readonly #access: FileAccess
  readonly #stopped: StoppedFiles
  readonly #limitBytes: number

  constructor(parts: { access: FileAccess; stopped: StoppedFiles; rules: SandboxRules }) {
    this.#access = parts.access
    this.#stopped = parts.stopped
    this.#limitBytes = parts.rules.limits.fileBytes
  }

  /** Sorted by name. Absent path: the cwd. FILE_NOT_FOUND, PATH_NOT_DIRECTORY, PERMISSION_DENIED. */
  async list(id: string, path: string | undefined, options: FileOptions = {}): Promise<FileEntry[]> {
    using target = await this.#access.target(id, path ?? '.', options)
    if (target.stopped) return await this.#stopped.list(target.stopped, target.path, options)
    const { client, user, signal } = await this.#access.running(target, options)
    const { entries, truncated } = await client.list(target.path, user, { signal })
    if (truncated)
      throw new SandboxError(
        'FILE_TOO_LARGE',
        `the folder has more than ${entries.length} entries; list it with a command`,
      )
    return entries
  }

  /** The whole file, at most K2_MAX_FILE_MB. FILE_NOT_FOUND, PATH_IS_DIRECTORY, PATH_NOT_REGULAR_FILE, PERMISSION_DENIED, FILE_TOO_LARGE. */
  async read(id: string, path: string, options: FileOptions = {}): Promise<Uint8Array> {
    using target = await this.#access.target(id, path, options)
    if (target.stopped) return await this.#stopped.read(target.stopped, target.path, options)
    const { client, user, signal } = await this.#access.running(target, options)
    const content = await client.readFile(target.path, user, { signal })
    if (content.sizeBytes > this.#limitBytes) {
      content.body.close()
      throw tooLarge(this.#limitBytes)
    }
    return await collect(content.body, this.#limitBytes, options.memory)
  }

  /** Replaces or makes the file at once, with its parents, owned by the user. `mode`: of a running sandbox only. */
  async write(
    id: string,
    path: string,
    content: Uint8Array,
    { mode, ...options }: FileOptions & { mode?: number | undefined } = {},
  ): Promise<void> {
    if (content.length > this.#limitBytes) throw tooLarge(this.#limitBytes)
    using target = await this.#access.target(id, path, options)
    if (target.stopped) return await this.#stopped.write(target.stopped, target.path, content, options)
    const { client, user, signal } = await this.#access.running(target, options)
    await client.writeFile(target.path, user, content, { signal, mode })
  }

  /** A file, a link, or a folder with all in it. FILE_NOT_FOUND, PATH_REFUSED (`/`), PERMISSION_DENIED. */
  async remove(id: string, path: string, options: FileOptions = {}): Promise<void> {
    using target = await this.#access.target(id, path, options)
    const { client, user, signal } = await this.#access.running(target, options, NOT_DELETED)
    await client.remove(target.path, user, { recursive: true, signal })
  }
}

const NOT_DELETED = 'its files can be listed, read and written but not deleted'

/** All of a body, whose announced size is only a hint: files grow, and those in /proc have none. */
async function collect(
  body: AsyncIterable<Buffer>,
  limitBytes: number,
  memory: CallOptions['memory'],
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    sizeBytes += chunk.length
    if (sizeBytes > limitBytes) throw tooLarge(limitBytes)
    if (sizeBytes > UNCOUNTED_BYTES && memory?.take(chunk.length) === false) throw noRoom()
  }
  return Buffer.concat(chunks, sizeBytes)
}

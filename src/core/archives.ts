import type { Readable } from 'node:stream'
import type { FileAccess, FileOptions, FileTarget } from './file-access.ts'
import type { SandboxRules } from './new-record.ts'
import type { StoppedFiles } from './stopped-files.ts'

/** Trees as tar archives, streamed: packed and unpacked inside the sandbox, by its rules of what is safe. */
export class Archives {
  readonly #access: FileAccess
  readonly #stopped: StoppedFiles
  readonly #maxBytes: number

  constructor(parts: { access: FileAccess; stopped: StoppedFiles; rules: SandboxRules }) {
    this.#access = parts.access
    this.#stopped = parts.stopped
    this.#maxBytes = parts.rules.limits.uploadBytes
  }

  /**
   * A tar of the file or tree. Of a stopped sandbox as its engine packs it, nobody's rights checked. Counts as use until it was
   * read to its end or destroyed.
   */
  async pack(id: string, path: string, options: FileOptions = {}): Promise<Readable> {
    const target = await this.#access.target(id, path, options)
    try {
      const tar = target.stopped
        ? await this.#stopped.pack(target.stopped, target.path, options)
        : await this.#packRunning(target, options)
      return tar.once('close', () => target[Symbol.dispose]())
    } catch (error) {
      target[Symbol.dispose]()
      throw error
    }
  }

  async #packRunning(target: FileTarget, options: FileOptions): Promise<Readable> {
    const { client, user, path, signal } = await this.#access.running(target, options)
    return (await client.readTree(path, user, { signal })).stream()
  }

  /**
   * Unpacks a tar below a folder, which is made where it is missing. `tar` stays the caller's. What came before a bad entry
   * stays. ARCHIVE_UNSAFE, FILE_TOO_LARGE, PERMISSION_DENIED, NO_SPACE_IN_SANDBOX.
   */
  async unpack(
    id: string,
    path: string,
    tar: Readable,
    options: FileOptions = {},
  ): Promise<{ entries: number; sizeBytes: number }> {
    return await this.#access.inRunning(id, path, options, ({ client, user, path: absolute, signal }) =>
      client.writeTree(absolute, user, tar, { signal, maxBytes: this.#maxBytes }),
    )
  }
}

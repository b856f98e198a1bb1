import type { Engine } from '../engine/types.ts'
import { SandboxError } from '../errors.ts'
import type { Activity } from './activity.ts'
import { noRoom, tooLarge, UNCOUNTED_BYTES } from './file-limit.ts'
import type { LiveSandboxes } from './live.ts'
import type { CallOptions, FileEntry } from './model.ts'
import type { SandboxRules } from './new-record.ts'
import { pathInside } from './paths.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { requireRunning } from './require-running.ts'
import { StoppedFiles } from './stopped-files.ts'

export interface FileOptions extends CallOptions {
  /** Whose rights count; absent: the sandbox's user. */
  user?: string | undefined
}

/** Files of a sandbox: through its agent while it runs, through the engine's archives while it is stopped. Relative paths start in its cwd. */
export class Files {
  readonly #registry: Registry
  readonly #live: LiveSandboxes
  readonly #activity: Activity
  readonly #stopped: StoppedFiles
  readonly #limitBytes: number

  constructor(parts: {
    registry: Registry
    live: LiveSandboxes
    activity: Activity
    engine: Engine
    rules: SandboxRules
  }) {
    this.#registry = parts.registry
    this.#live = parts.live
    this.#activity = parts.activity
    this.#limitBytes = parts.rules.limits.fileBytes
    this.#stopped = new StoppedFiles({ engine: parts.engine, limitBytes: this.#limitBytes })
  }

  /** Sorted by name. Absent path: the cwd. FILE_NOT_FOUND, PATH_NOT_DIRECTORY, PERMISSION_DENIED. */
  async list(id: string, path: string | undefined, { user, signal }: FileOptions = {}): Promise<FileEntry[]> {
    using target = this.#target(id, path ?? '.')
    if (target.stopped) return await this.#stopped.list(target.stopped, target.path, { signal })
    const { client, gone } = await this.#client(target.record, signal)
    const { entries, truncated } = await client.list(target.path, user || target.record.user, { signal: gone })
    if (truncated)
      throw new SandboxError(
        'FILE_TOO_LARGE',
        `the folder has more than ${entries.length} entries; list it with a command`,
      )
    return entries
  }

  /** The whole file, at most K2_MAX_FILE_MB. FILE_NOT_FOUND, PATH_IS_DIRECTORY, PATH_NOT_REGULAR_FILE, PERMISSION_DENIED, FILE_TOO_LARGE. */
  async read(id: string, path: string, { user, signal, memory }: FileOptions = {}): Promise<Uint8Array> {
    using target = this.#target(id, path)
    if (target.stopped) return await this.#stopped.read(target.stopped, target.path, { signal, memory })
    const { client, gone } = await this.#client(target.record, signal)
    const content = await client.readFile(target.path, user || target.record.user, { signal: gone })
    if (content.sizeBytes > this.#limitBytes) {
      content.body.close()
      throw tooLarge(this.#limitBytes)
    }
    return await collect(content.body, this.#limitBytes, memory)
  }

  /** Replaces or makes the file at once, with its parents, owned by the user. */
  async write(id: string, path: string, content: Uint8Array, { user, signal }: FileOptions = {}): Promise<void> {
    if (content.length > this.#limitBytes) throw tooLarge(this.#limitBytes)
    using target = this.#target(id, path)
    if (target.stopped) return await this.#stopped.write(target.stopped, target.path, content, { signal })
    const { client, gone } = await this.#client(target.record, signal)
    await client.writeFile(target.path, user || target.record.user, content, { signal: gone })
  }

  /** A file, a link, or a folder with all in it. FILE_NOT_FOUND, PATH_REFUSED (`/`), PERMISSION_DENIED. */
  async remove(id: string, path: string, { user, signal }: FileOptions = {}): Promise<void> {
    using target = this.#target(id, path)
    if (target.stopped) {
      throw new SandboxError(
        'SANDBOX_STATE_CONFLICT',
        'the sandbox is stopped, its files can be listed, read and written but not deleted; start it first',
      )
    }
    const { client, gone } = await this.#client(target.record, signal)
    await client.remove(target.path, user || target.record.user, { recursive: true, signal: gone })
  }

  /** `stopped` is set when the engine's archives are the way. Counts as use until disposed: await what is returned before that. */
  #target(id: string, path: string) {
    const known = this.#registry.require(id)
    const stopped = known.status === 'stopped' || known.status === 'failed' ? known : null
    const record = stopped ?? requireRunning(this.#registry, id)
    const absolute = path === '.' ? record.cwd : pathInside(record.cwd, path)
    const use = this.#activity.use(record)
    return { record, stopped, path: absolute, [Symbol.dispose]: () => use[Symbol.dispose]() }
  }

  async #client(record: SandboxRecord, signal: AbortSignal | undefined) {
    const { gone } = this.#live.of(record)
    const bounded = signal ? AbortSignal.any([signal, gone]) : gone
    return { client: await this.#live.client(record, { signal: bounded }), gone: bounded }
  }
}

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

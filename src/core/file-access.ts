import type { AgentClient } from '../agent/client.ts'
import { SandboxError } from '../errors.ts'
import type { Activity } from './activity.ts'
import type { LiveSandboxes } from './live.ts'
import type { CallOptions } from './model.ts'
import { pathInside } from './paths.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { type Wake, wakes } from './wake.ts'

export interface FileOptions extends CallOptions {
  /** Whose rights count; absent: the sandbox's user. */
  user?: string | undefined
}

/** A path of a sandbox. Counts as use until disposed: await what is begun before that. */
export interface FileTarget extends Disposable {
  record: SandboxRecord
  /** Set when the engine's archives are the way: nothing runs in it. */
  stopped: SandboxRecord | null
  /** Absolute. */
  path: string
}

/** What a call on the files of a running sandbox needs. */
export interface RunningFiles {
  client: AgentClient
  user: string
  /** Absolute. */
  path: string
  /** Aborted when the client leaves, or the sandbox's run ends. */
  signal: AbortSignal
}

/** Finds sandboxes by what is to be done with their files. Relative paths start in the sandbox's cwd. */
export class FileAccess {
  readonly #registry: Registry
  readonly #live: LiveSandboxes
  readonly #activity: Activity
  readonly #wake: Wake

  constructor(parts: { registry: Registry; live: LiveSandboxes; activity: Activity; wake: Wake }) {
    this.#registry = parts.registry
    this.#live = parts.live
    this.#activity = parts.activity
    this.#wake = parts.wake
  }

  /** A stopped one is read where it lies; one that is paused is woken if its use is to. SANDBOX_NOT_FOUND, SANDBOX_STATE_CONFLICT. */
  async target(id: string, path: string, { signal }: CallOptions = {}): Promise<FileTarget> {
    const known = this.#registry.require(id)
    const stopped = known.status === 'stopped' || known.status === 'failed' ? known : null
    if (stopped) return this.#targetOf(stopped, stopped, path, this.#activity.use(stopped))
    return await this.#runningTarget(id, path, { signal })
  }

  async #runningTarget(id: string, path: string, { signal }: CallOptions): Promise<FileTarget> {
    const use = await this.#wake.use(id, { signal })
    return this.#targetOf(use.record, null, path, use)
  }

  #targetOf(record: SandboxRecord, stopped: SandboxRecord | null, path: string, use: Disposable): FileTarget {
    const absolute = path === '.' ? record.cwd : pathInside(record.cwd, path)
    return { record, stopped, path: absolute, [Symbol.dispose]: () => use[Symbol.dispose]() }
  }

  /** The agent of a target that runs. SANDBOX_STATE_CONFLICT where it does not, with what can't be done then. */
  async running(
    { record, stopped, path }: FileTarget,
    { user, signal }: FileOptions,
    what = 'this works on running ones only',
  ): Promise<RunningFiles> {
    if (stopped) throw new SandboxError('SANDBOX_STATE_CONFLICT', `the sandbox is stopped, and ${what}; start it first`)
    const { gone } = this.#live.of(record)
    const bounded = signal ? AbortSignal.any([signal, gone]) : gone
    const client = await this.#live.client(record, { signal: bounded })
    return { client, user: user || record.user, path, signal: bounded }
  }

  /** For what works on running sandboxes only: `work` counts as use until it has ended. */
  async inRunning<T>(
    id: string,
    path: string,
    options: FileOptions,
    work: (running: RunningFiles) => Promise<T>,
  ): Promise<T> {
    using target = wakes(this.#registry.require(id))
      ? await this.#runningTarget(id, path, options)
      : await this.target(id, path, options)
    return await work(await this.running(target, options))
  }
}

import { SandboxError } from '../errors.ts'
import type { KeyedLock } from '../lib/keyed-lock.ts'
import type { Activity } from './activity.ts'
import type { Clock } from './clock.ts'
import { type Contexts, requireStateful } from './contexts.ts'
import { type Launch, launch } from './launch.ts'
import type { CallOptions, CreateSandbox, Sandbox, SandboxFilter, SandboxPage } from './model.ts'
import { newRecord, type SandboxRules, timeoutWithin } from './new-record.ts'
import { type SandboxRecord, toSandbox } from './record.ts'
import type { Removals } from './removals.ts'
import { explainRemoval, REMOVED_OUTSIDE } from './removed-outside.ts'
import type { StartQueue } from './start-queue.ts'
import { type StopParts, stopSandbox } from './stop.ts'

export interface SandboxesParts extends StopParts {
  activity: Activity
  contexts: Contexts
  removals: Removals
  queue: StartQueue
  locks: KeyedLock
  clock: Clock
  rules: SandboxRules
  startTimeoutMs: number
}

/**
 * The life of sandboxes: `creating → running ⇄ paused`, `running → stopped → running`, anything → deleted.
 * What changes one sandbox is serialised by its lock; reading and running things in it is not.
 */
export class Sandboxes {
  readonly #parts: SandboxesParts

  constructor(parts: SandboxesParts) {
    this.#parts = parts
  }

  /** Resolves when it runs and its agent answers. When it fails or the client leaves, nothing stays behind. */
  async create(request: CreateSandbox, { signal }: CallOptions = {}): Promise<Sandbox> {
    const { engine, registry, locks, queue, rules, clock } = this.#parts
    this.#requireRoom(request.name)
    const ahead = (request.prestart ?? []).map(requireStateful)
    const template = await engine.resolveTemplate(request.template || rules.defaults.template, { signal })
    const record = newRecord(request, template, rules, clock.now())
    this.#requireRoom(request.name)
    registry.add(record)
    try {
      await locks.run(record.id, () =>
        queue.run(() => this.#bringUp(record, { kind: 'new', template }, signal), { signal }),
      )
    } catch (error) {
      // A delete that came in between has taken care of it; its caller knows.
      if (registry.find(record.id)?.status === 'creating') this.#discard(record)
      throw error
    }
    for (const language of ahead) void this.#parts.contexts.prestart(record.id, language)
    return this.#view(record)
  }

  /** SANDBOX_NOT_FOUND */
  get(id: string): Sandbox {
    return this.#view(this.#parts.registry.require(id))
  }

  list(filter: SandboxFilter): SandboxPage {
    const { records, nextCursor } = this.#parts.registry.page(filter)
    return { sandboxes: records.map((record) => this.#view(record)), nextCursor }
  }

  /** Starts a stopped or failed sandbox, wakes a paused one; no-op when it runs. */
  async start(id: string, { signal }: CallOptions = {}): Promise<Sandbox> {
    return this.#change(id, signal, (record) => this.#start(record, signal))
  }

  /** SIGTERM, the grace, SIGKILL; the disk stays. No-op when stopped. */
  async stop(id: string, { signal }: CallOptions = {}): Promise<Sandbox> {
    return this.#change(id, signal, (record) => stopSandbox(this.#parts, record, { signal }))
  }

  /** Processes end, the disk stays. Starts a stopped one. */
  async restart(id: string, { signal }: CallOptions = {}): Promise<Sandbox> {
    return this.#change(id, signal, async (record) => {
      await stopSandbox(this.#parts, record, { signal })
      await this.#start(record, signal)
    })
  }

  /** Counts as use. Absent or 0 is the server's default. */
  setTimeout(id: string, timeoutSeconds: number): Sandbox {
    const { registry, activity, rules } = this.#parts
    const record = registry.require(id)
    activity.touch(record)
    registry.update(id, { timeoutSeconds: timeoutWithin(timeoutSeconds, rules) })
    return this.#view(record)
  }

  /** Answers at once, in every state; the engine's part follows in the background and survives a crash. Calls on it end. */
  remove(id: string): void {
    this.#discard(this.#parts.registry.require(id))
  }

  /** What `onTimeout` asked for; a failed sandbox is deleted. */
  async expire(record: SandboxRecord): Promise<void> {
    if (record.onTimeout === 'delete' || record.status === 'failed') this.#discard(record)
    else await this.#parts.locks.run(record.id, () => stopSandbox(this.#parts, record, {}))
  }

  /** Serialised change of one sandbox. The change counts as use. */
  async #change(
    id: string,
    signal: AbortSignal | undefined,
    change: (record: SandboxRecord) => Promise<void>,
  ): Promise<Sandbox> {
    const { registry, activity, locks } = this.#parts
    using use = activity.use(registry.require(id))
    return await locks.run(
      id,
      async () => {
        // Again: it may have been deleted while this waited.
        const record = registry.require(id)
        await change(record)
        // What the caller is told holds from the answer on: this use is over then.
        use[Symbol.dispose]()
        return this.#view(registry.require(id))
      },
      { signal },
    )
  }

  async #start(record: SandboxRecord, signal: AbortSignal | undefined): Promise<void> {
    const { engine, registry, queue, log } = this.#parts
    // What an outage cut off is finished first: its agent starts nothing any more.
    if (record.stopping) await stopSandbox(this.#parts, record, { signal })
    if (record.status === 'running') return
    const { ref } = record
    if (ref === null)
      throw new SandboxError('SANDBOX_STATE_CONFLICT', 'the sandbox was never made; delete it and create another')
    if (record.status === 'paused') {
      await engine.resume(record.id, ref, { signal })
      registry.update(record.id, { status: 'running', reason: null })
      return
    }
    try {
      await queue.run(() => this.#bringUp(record, { kind: 'again', ref }, signal), { signal })
    } catch (error) {
      const deleted = registry.find(record.id)?.status === 'deleting'
      const failure = SandboxError.from(deleted ? error : explainRemoval(error))
      this.#parts.live.end(record.id, failure)
      if (failure.code === 'SANDBOX_STATE_CONFLICT') {
        registry.update(record.id, { status: 'failed', reason: REMOVED_OUTSIDE })
      } else if (!deleted) {
        await engine
          .stop(record.id, ref)
          .catch((err: unknown) => log.warn({ sandbox: record.id, err }, 'could not stop after a failed start'))
        registry.update(record.id, {
          status: failure.code === 'CLIENT_GONE' ? 'stopped' : 'failed',
          reason: failure.message,
        })
      }
      throw failure
    }
  }

  async #bringUp(record: SandboxRecord, how: Launch['how'], signal: AbortSignal | undefined): Promise<void> {
    const { engine, live, registry, clock, startTimeoutMs } = this.#parts
    const launched = await launch({ engine, live, record, how, timeoutMs: startTimeoutMs }, { signal })
    // Deleted while it started: leave it to the removal that waits for this lock.
    registry.require(record.id)
    registry.update(record.id, { ...launched, status: 'running', reason: null, lastActiveAt: clock.now() })
  }

  #discard(record: SandboxRecord): void {
    const { registry, live, removals } = this.#parts
    registry.update(record.id, { status: 'deleting' })
    live.end(record.id, new SandboxError('SANDBOX_NOT_FOUND', 'the sandbox was deleted in the meantime'))
    removals.add(record.id)
  }

  #requireRoom(name: string | undefined): void {
    const { registry, rules } = this.#parts
    if (registry.size >= rules.limits.sandboxes) {
      throw new SandboxError(
        'SANDBOX_LIMIT_REACHED',
        `this server keeps ${rules.limits.sandboxes} sandboxes at most (K2_MAX_SANDBOXES); delete some`,
        {
          details: { retryAfterSeconds: 10 },
        },
      )
    }
    if (name !== undefined) registry.requireFreeName(name)
  }

  #view(record: SandboxRecord): Sandbox {
    return toSandbox(record, this.#parts.activity.expiresAt(record))
  }
}

import { isSandboxError, SandboxError } from '../errors.ts'
import type { KeyedLock } from '../lib/keyed-lock.ts'
import { type Activity, oldAt } from './activity.ts'
import { type BaseParts, baseOf } from './base.ts'
import { changeOf, changeResources } from './change.ts'
import { changeNetwork } from './change-network.ts'
import { type Contexts, requireStateful } from './contexts.ts'
import { discard } from './discard.ts'
import type { Idempotency } from './idempotency.ts'
import type {
  CallOptions,
  ChangeSandbox,
  CreateSandbox,
  Sandbox,
  SandboxFilter,
  SandboxPage,
  SandboxStatus,
} from './model.ts'
import { newRecord, timeoutWithin } from './new-record.ts'
import { pauseSandbox } from './pause.ts'
import type { Pools } from './pool/pools.ts'
import { isVisible, type SandboxRecord, toSandbox } from './record.ts'
import type { Removals } from './removals.ts'
import type { SnapshotRecord } from './snapshot-record.ts'
import { bringUp, type StartParts, startSandbox } from './start.ts'
import { stopSandbox } from './stop.ts'
import type { Volumes } from './volumes/volumes.ts'
import { waitForStatus } from './wait-for-status.ts'

export interface SandboxesParts extends StartParts, BaseParts {
  activity: Activity
  contexts: Contexts
  pools: Pools
  idempotency: Idempotency
  volumes: Pick<Volumes, 'resolve'>
  removals: Removals
  locks: KeyedLock
}

export interface CreateOptions extends CallOptions {
  /** The snapshot that a fork made for it. */
  fork?: SnapshotRecord | undefined
}

type Created = Sandbox & { created: boolean }
/** Writes down what was made under a caller's key. */
type Bind = (id: string) => void

/** A create whose name another create has; that one takes this long at most. */
const OTHER_CREATE_MS = 120_000
const MOST_TRIES = 3

/**
 * The life of sandboxes: `creating → running ⇄ paused`, `running → stopped → running`, anything → deleted.
 * What changes one sandbox is serialised by its lock; reading and running things in it is not.
 */
export class Sandboxes {
  readonly #parts: SandboxesParts

  constructor(parts: SandboxesParts) {
    this.#parts = parts
  }

  /**
   * Resolves when it runs and its agent answers. When it fails or the client leaves, nothing stays behind. `created`: false when
   * it was there already, by its name. `replayed`: a create before this one made it, under the same key (`once`).
   */
  async create(request: CreateSandbox, options: CreateOptions = {}): Promise<Created & { replayed: boolean }> {
    const { signal } = options
    if (request.once === undefined)
      return { ...(await this.#createOrFind(request, undefined, options)), replayed: false }
    const once = {
      find: (id: string) => {
        const record = this.#parts.registry.find(id)
        return record && isVisible(record) ? { ...this.#view(record), created: true } : undefined
      },
      make: (bind: (id: string) => void) => this.#createOrFind(request, bind, options),
    }
    const [created, replayed] = await this.#parts.idempotency.run('sandboxes', request.once, once, { signal })
    return { ...created, replayed }
  }

  async #createOrFind(request: CreateSandbox, bind: Bind | undefined, options: CreateOptions): Promise<Created> {
    const { signal } = options
    for (let tries = 1; ; tries++) {
      const found = request.getOrCreate ? await this.#existing(request.name, { signal }) : null
      // Not bound to a key: asked again it is found again.
      if (found) return { ...found, created: false }
      try {
        return { ...(await this.#create(request, bind, options)), created: true }
      } catch (error) {
        // Another create of that name was quicker: its sandbox is the answer.
        if (!request.getOrCreate || !isSandboxError(error, 'NAME_TAKEN') || tries === MOST_TRIES) throw error
      }
    }
  }

  async #create(asked: CreateSandbox, bind: Bind | undefined, options: CreateOptions): Promise<Sandbox> {
    const { signal } = options
    const { registry, locks, queue, rules, clock, volumes } = this.#parts
    this.#requireRoom(asked.name)
    for (const language of asked.prestart ?? []) requireStateful(language)
    using base = await baseOf(this.#parts, asked, options)
    const { template, request, startup, copied } = base
    const ahead = (request.prestart ?? []).map(requireStateful)
    const record = { ...newRecord(request, template, rules, clock.now()), ...copied, startup }
    const room = () => {
      this.#requireRoom(request.name)
      record.volumes = volumes.resolve(request.volumes ?? [])
    }
    room()
    const warm = record.origin ? null : await this.#parts.pools.claim(record, template, { signal, room, bind })
    if (warm) {
      this.#parts.live.onReached?.(warm)
      for (const language of ahead) void this.#parts.contexts.prestart(warm, language)
      return this.#view(warm)
    }
    room()
    registry.add(record, bind)
    try {
      await locks.run(record.id, () =>
        queue.run(() => bringUp(this.#parts, record, { kind: 'new', template }, { signal }), { signal }),
      )
    } catch (error) {
      // A delete that came in between has taken care of it; its caller knows.
      if (registry.find(record.id)?.status === 'creating') discard(this.#parts, record, 'create_failed')
      throw error
    }
    for (const language of ahead) void this.#parts.contexts.prestart(record, language)
    return this.#view(record)
  }

  /** The sandbox of that name, running; null: there is none, or its create has failed meanwhile. */
  async #existing(name: string | undefined, { signal }: CallOptions): Promise<Sandbox | null> {
    const { registry } = this.#parts
    if (name === undefined)
      throw new SandboxError('INVALID_REQUEST', 'get_or_create finds a sandbox by its name; give one')
    const found = registry.findByName(name)
    if (found === null) return null
    const settled = ['running', 'paused', 'stopped', 'failed'] as const
    if (found.status === 'creating') await waitForStatus(registry, found.id, settled, OTHER_CREATE_MS, { signal })
    if (registry.findByName(name)?.id !== found.id) return null
    return await this.start(found.id, { signal })
  }

  /** SANDBOX_NOT_FOUND */
  get(id: string): Sandbox {
    return this.#view(this.#parts.registry.require(id))
  }

  /** As soon as it has one of these statuses, or after the time, or when it has failed: as it is then. SANDBOX_NOT_FOUND */
  async wait(
    id: string,
    statuses: readonly SandboxStatus[],
    waitMs: number,
    { signal }: CallOptions = {},
  ): Promise<Sandbox> {
    await waitForStatus(this.#parts.registry, id, [...statuses, 'failed'], waitMs, { signal })
    return this.get(id)
  }

  list(filter: SandboxFilter): SandboxPage {
    const { records, nextCursor } = this.#parts.registry.page(filter)
    return { sandboxes: records.map((record) => this.#view(record)), nextCursor }
  }

  /** Starts a stopped or failed sandbox, wakes a paused one; no-op when it runs. */
  async start(id: string, { signal }: CallOptions = {}): Promise<Sandbox> {
    return this.#change(id, signal, (record) => startSandbox(this.#parts, record, { signal }))
  }

  /** SIGTERM, the grace, SIGKILL; the disk stays. No-op when stopped. */
  async stop(id: string, { signal }: CallOptions = {}): Promise<Sandbox> {
    return this.#change(id, signal, (record) => stopSandbox(this.#parts, record, { signal }))
  }

  /** Processes end, the disk stays. Starts a stopped one. */
  async restart(id: string, { signal }: CallOptions = {}): Promise<Sandbox> {
    return this.#change(id, signal, async (record) => {
      await stopSandbox(this.#parts, record, { signal })
      await startSandbox(this.#parts, record, { signal })
    })
  }

  /** Processes stand still, memory and disk stay; it does not age. No-op when paused. SANDBOX_STATE_CONFLICT when it does not run. */
  async pause(id: string, { signal }: CallOptions = {}): Promise<Sandbox> {
    return this.#change(id, signal, (record) => pauseSandbox(this.#parts, record, { signal, reason: null }))
  }

  /** All or nothing of the change. Counts as use. SANDBOX_STATE_CONFLICT where the limits can't be had now. */
  async change(id: string, request: ChangeSandbox, { signal }: CallOptions = {}): Promise<Sandbox> {
    const { registry, rules } = this.#parts
    return this.#change(id, signal, async (record) => {
      const { resources, ...change } = changeOf(record, request, rules)
      if (request.network) await changeNetwork(this.#parts, record, request.network)
      if (resources) await changeResources(this.#parts, record, resources, { signal })
      registry.update(id, change)
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
    discard(this.#parts, this.#parts.registry.require(id), 'request')
  }

  /** One that is due: too old, or unused for its timeout. Does what `onTimeout` asked for; a failed sandbox is deleted. */
  async expire(record: SandboxRecord): Promise<void> {
    const { activity, clock, locks, log } = this.#parts
    const old = oldAt(record)
    if (old !== null && old <= clock.now()) return discard(this.#parts, record, 'max_lifetime')
    log.info({ sandbox: record.id, onTimeout: record.onTimeout }, 'sandbox unused for its timeout')
    if (record.onTimeout === 'delete' || record.status === 'failed') return discard(this.#parts, record, 'timeout')
    await locks.run(record.id, async () => {
      // Again: it may have been used while this waited.
      const due = activity.idleAt(record)
      if (due === null || due > clock.now()) return
      const reason = `it was not used for ${record.timeoutSeconds} s`
      if (record.onTimeout === 'pause') await pauseSandbox(this.#parts, record, { reason })
      else await stopSandbox(this.#parts, record, { reason })
    })
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

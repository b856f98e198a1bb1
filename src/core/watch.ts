import type { EngineEvent } from '../engine/types.ts'
import { SandboxError } from '../errors.ts'
import { endReason, type ReconcileParts, reconcile, settle } from './reconcile.ts'

const SWEEP_MS = 60_000
const SWEEP_LIMIT_MS = 120_000

export interface WatchParts extends ReconcileParts {
  /** What is brought to agreement after the sandboxes: images. */
  sweep(options: { signal: AbortSignal }): Promise<void>
}

/**
 * Sees what happens to sandboxes behind our back: through the engine's events at once, through a full reconcile after a gap in
 * them and once a minute. Runs until closed; its failures are logged, never thrown.
 */
export class Watch {
  readonly #parts: WatchParts
  readonly #end = new AbortController()
  /** False from the loss of the events until they are back. */
  engineAvailable = true
  #sweep: NodeJS.Timeout | undefined
  #reconciling: Promise<void> | undefined
  #following: Promise<void> | undefined

  constructor(parts: WatchParts) {
    this.#parts = parts
  }

  open(): void {
    this.#following = this.#follow()
    this.#sweep = setInterval(() => void this.#reconcile(), SWEEP_MS)
    this.#sweep.unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep)
    this.#end.abort()
    await Promise.allSettled([this.#following, this.#reconciling])
  }

  async #follow(): Promise<void> {
    const { engine, log } = this.#parts
    try {
      for await (const event of engine.events({ signal: this.#end.signal })) {
        if (event.type === 'lost') this.engineAvailable = false
        else if (event.type === 'resync') {
          this.engineAvailable = true
          void this.#reconcile()
        } else void this.#see(event)
      }
    } catch (err) {
      if (!this.#end.signal.aborted) log.error({ err }, 'the events of the engine ended, only the sweep is left')
    }
  }

  async #see(event: Exclude<EngineEvent, { type: 'lost' | 'resync' }>): Promise<void> {
    const { registry, journal, live, locks, log } = this.#parts
    const record = registry.find(event.id)
    if (record === undefined) return
    try {
      if (event.type === 'outOfMemory') {
        log.info({ sandbox: event.id }, 'a process was killed: out of memory')
        const { name, template, resources } = record
        const data = { name, template, memory_mb: resources.memoryMb }
        journal.append({ type: 'sandbox.out_of_memory', sandboxId: event.id, data })
      } else if (record.status === 'creating' || record.status === 'warming' || record.status === 'building') {
        // The create itself finds out through its calls; this only makes it quick.
        if (event.type === 'died')
          live.end(
            event.id,
            new SandboxError('SANDBOX_START_FAILED', `the sandbox ended during its start: ${endReason(event)}`),
          )
      } else
        await locks.run(event.id, () => settle(this.#parts, event.id, { signal: this.#end.signal }), {
          signal: this.#end.signal,
        })
    } catch (err) {
      if (!this.#end.signal.aborted)
        log.warn({ sandbox: event.id, err }, 'could not follow an event of the engine, the sweep will')
    }
  }

  /** One at a time; a request during one is served by it. */
  #reconcile(): Promise<void> {
    this.#reconciling ??= this.#reconcileOnce().finally(() => {
      this.#reconciling = undefined
    })
    return this.#reconciling
  }

  async #reconcileOnce(): Promise<void> {
    const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(SWEEP_LIMIT_MS)])
    try {
      await reconcile(this.#parts, { signal, atStart: false })
      await this.#parts.sweep({ signal })
    } catch (err) {
      if (!this.#end.signal.aborted)
        this.#parts.log.warn({ err }, 'could not reconcile with the engine, trying again within a minute')
    }
  }
}

import type { Engine } from '../engine/types.ts'
import type { KeyedLock } from '../lib/keyed-lock.ts'
import type { Log } from './log.ts'
import type { Registry } from './registry.ts'

const AT_ONCE = 4
const ATTEMPT_MS = 60_000
const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 30_000

/**
 * Takes sandboxes that were answered as deleted off the engine, in the background. Their records say `deleting` until it is done,
 * so what a crash leaves is taken up again at the next start. Tries until it succeeds.
 */
export class Removals {
  readonly #engine: Engine
  readonly #registry: Registry
  readonly #locks: KeyedLock
  readonly #log: Log
  readonly #onRemoved: () => void
  readonly #waiting: string[] = []
  /** Waiting, under way, or waiting for another try. */
  readonly #known = new Set<string>()
  readonly #retries = new Map<string, NodeJS.Timeout>()
  readonly #end = new AbortController()
  readonly #idle: (() => void)[] = []
  #running = 0

  /** `onRemoved`: after each that is off the engine. */
  constructor(parts: { engine: Engine; registry: Registry; locks: KeyedLock; log: Log; onRemoved?: () => void }) {
    this.#engine = parts.engine
    this.#registry = parts.registry
    this.#locks = parts.locks
    this.#log = parts.log
    this.#onRemoved = parts.onRemoved ?? (() => {})
  }

  /** The record must say `deleting`. Asking twice is asking once. */
  add(id: string): void {
    if (this.#known.has(id) || this.#end.signal.aborted) return
    this.#known.add(id)
    this.#waiting.push(id)
    this.#next()
  }

  /** Resolves when nothing waits or runs, or after `withinMs`. */
  async settle(withinMs: number): Promise<void> {
    if (this.#known.size === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs)
      this.#idle.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** Begins no more and ends what is under way; the records stay for the next start. */
  close(): void {
    this.#end.abort()
    for (const timer of this.#retries.values()) clearTimeout(timer)
  }

  #next(): void {
    while (this.#running < AT_ONCE && !this.#end.signal.aborted) {
      const id = this.#waiting.shift()
      if (id === undefined) break
      this.#running++
      void this.#remove(id, FIRST_RETRY_MS).finally(() => {
        this.#running--
        this.#next()
        if (this.#known.size === 0) for (const tell of this.#idle.splice(0)) tell()
      })
    }
  }

  async #remove(id: string, retryMs: number): Promise<void> {
    const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(ATTEMPT_MS)])
    try {
      await this.#locks.run(
        id,
        async () => {
          const record = this.#registry.find(id)
          if (record === undefined) return
          await this.#engine.remove(id, record.ref, { signal })
          this.#registry.remove(id)
        },
        { signal },
      )
      this.#known.delete(id)
      this.#onRemoved()
    } catch (error) {
      if (this.#end.signal.aborted) return
      this.#log.warn({ sandbox: id, err: error }, 'could not remove a deleted sandbox, trying again')
      const timer = setTimeout(() => {
        this.#retries.delete(id)
        void this.#remove(id, Math.min(retryMs * 2, LONGEST_RETRY_MS))
      }, retryMs)
      timer.unref()
      this.#retries.set(id, timer)
    }
  }
}

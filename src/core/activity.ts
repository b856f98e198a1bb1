import type { Clock } from './clock.ts'
import { isVisible, type SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'

const FLUSH_MS = 1000

/**
 * When each sandbox was last used. A use has a beginning and an end; while one lasts the sandbox does not age.
 * Times are written behind, once a second in one transaction: a crash loses a second of activity, never more.
 */
export class Activity {
  readonly #registry: Registry
  readonly #clock: Clock
  readonly #uses = new Map<string, number>()
  readonly #unsaved = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  constructor({ registry, clock }: { registry: Registry; clock: Clock }) {
    this.#registry = registry
    this.#clock = clock
  }

  /** `onError` gets what a write threw; the times stay unsaved and are tried again. */
  open(onError: (error: unknown) => void): void {
    this.#timer = setInterval(() => {
      try {
        this.flush()
      } catch (error) {
        onError(error)
      }
    }, FLUSH_MS)
    this.#timer.unref()
  }

  /** Counts as use from now until the returned object is disposed, the first time. */
  use(record: SandboxRecord): Disposable {
    this.touch(record)
    this.#uses.set(record.id, (this.#uses.get(record.id) ?? 0) + 1)
    let over = false
    return {
      [Symbol.dispose]: () => {
        if (over) return
        over = true
        const left = (this.#uses.get(record.id) ?? 1) - 1
        if (left > 0) this.#uses.set(record.id, left)
        else this.#uses.delete(record.id)
        this.touch(record)
      },
    }
  }

  touch(record: SandboxRecord): void {
    record.lastActiveAt = this.#clock.now()
    this.#unsaved.add(record.id)
  }

  /** When this sandbox ends by itself, whichever comes first; null: it does not. */
  expiresAt(record: SandboxRecord): number | null {
    const idle = this.idleAt(record)
    const old = oldAt(record)
    return idle === null || old === null ? (idle ?? old) : Math.min(idle, old)
  }

  /** When inactivity ends it; null while it is used or does not age: a stopped and a paused one are kept, a failed one is not. */
  idleAt(record: SandboxRecord): number | null {
    if (record.status !== 'running' && record.status !== 'failed') return null
    if (this.#uses.has(record.id)) return null
    return record.lastActiveAt + record.timeoutSeconds * 1000
  }

  /** A use that lasts is written too: after a crash its sandbox has the whole timeout from there. */
  flush(): void {
    for (const id of this.#uses.keys()) {
      const record = this.#registry.find(id)
      if (record) this.touch(record)
    }
    if (this.#unsaved.size === 0) return
    this.#registry.saveActivity(this.#unsaved)
    this.#unsaved.clear()
  }

  close(): void {
    clearInterval(this.#timer)
    this.flush()
  }
}

/** When its longest life is over, used or not; null: it has no end. */
export function oldAt({ status, createdAt, maxLifetimeSeconds }: SandboxRecord): number | null {
  if (maxLifetimeSeconds === null || status === 'creating' || !isVisible({ status })) return null
  return createdAt + maxLifetimeSeconds * 1000
}

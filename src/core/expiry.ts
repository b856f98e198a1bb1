import type { Activity } from './activity.ts'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'

const LOOK_MS = 1000

/** Ends sandboxes that nobody used for their timeout, or whose longest life is over. Deadlines are stored, so they survive restarts. */
export class Expiry {
  readonly #registry: Registry
  readonly #activity: Activity
  readonly #clock: Clock
  readonly #log: Log
  readonly #end: (record: SandboxRecord) => Promise<void>
  /** Being ended now, so that a slow stop is not begun twice. */
  readonly #ending = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  constructor(parts: {
    registry: Registry
    activity: Activity
    clock: Clock
    log: Log
    end: (record: SandboxRecord) => Promise<void>
  }) {
    this.#registry = parts.registry
    this.#activity = parts.activity
    this.#clock = parts.clock
    this.#log = parts.log
    this.#end = parts.end
  }

  open(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS)
    this.#timer.unref()
  }

  /** Begins the end of each sandbox that is due. */
  look(): void {
    const now = this.#clock.now()
    for (const record of this.#registry.all()) {
      const at = this.#activity.expiresAt(record)
      if (at === null || at > now || this.#ending.has(record.id)) continue
      void this.#expire(record)
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #expire(record: SandboxRecord): Promise<void> {
    this.#ending.add(record.id)
    try {
      await this.#end(record)
    } catch (error) {
      this.#log.warn({ sandbox: record.id, err: error }, 'could not end an expired sandbox, trying again')
    } finally {
      this.#ending.delete(record.id)
    }
  }
}

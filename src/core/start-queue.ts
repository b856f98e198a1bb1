import { SandboxError } from '../errors.ts'
import type { CallOptions } from './model.ts'

interface Waiting {
  go: () => void
}

/** Lets `atOnce` starts run at a time, the others wait in order; SERVER_BUSY when `longest` wait already. Keeps bursts off the engine. */
export class StartQueue {
  readonly #atOnce: number
  readonly #longest: number
  readonly #waiting: Waiting[] = []
  #running = 0

  constructor({ atOnce, longest }: { atOnce: number; longest: number }) {
    this.#atOnce = atOnce
    this.#longest = longest
  }

  /** Nobody starts or waits. */
  get isIdle(): boolean {
    return this.#running === 0
  }

  async run<T>(start: () => Promise<T>, { signal }: CallOptions = {}): Promise<T> {
    if (this.#running >= this.#atOnce) await this.#turn(signal)
    else this.#running++
    try {
      return await start()
    } finally {
      const next = this.#waiting.shift()
      if (next) next.go()
      else this.#running--
    }
  }

  /** Resolves when a place was handed over; leaves the queue when the signal aborts. */
  #turn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.length >= this.#longest) {
      throw new SandboxError(
        'SERVER_BUSY',
        `${this.#longest} sandboxes are waiting to start already; try again in a moment`,
        {
          details: { retryAfterSeconds: 2 },
        },
      )
    }
    signal?.throwIfAborted()
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1)
        reject(signal?.reason)
      }
      const entry: Waiting = {
        go: () => {
          signal?.removeEventListener('abort', leave)
          resolve()
        },
      }
      signal?.addEventListener('abort', leave, { once: true })
      this.#waiting.push(entry)
    })
  }
}

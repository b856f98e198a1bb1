import { setTimeout as sleep } from 'node:timers/promises'

const BURST = 400
const PER_SECOND = 400

/** How fast one sandbox may try to get out: a loop in it, or an agent that lies, costs the server and its log no more than that. */
export class Pace {
  #left = BURST
  #at = performance.now()

  /** Resolves when it is one's turn; with the signal's abort at the latest. */
  async take(signal: AbortSignal): Promise<void> {
    const now = performance.now()
    this.#left = Math.min(BURST, this.#left + ((now - this.#at) * PER_SECOND) / 1000) - 1
    this.#at = now
    // Below nothing: those before are waiting too.
    if (this.#left < 0)
      await sleep((-this.#left * 1000) / PER_SECOND, undefined, { signal, ref: false }).catch(() => {})
  }
}

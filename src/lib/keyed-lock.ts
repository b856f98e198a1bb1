import { untilAborted } from './deadline.ts'

/** One holder per key at a time, the others in the order they came. Keys that nobody holds cost nothing. */
export class KeyedLock {
  /** Settles when the last in a key's line has left; never rejects. */
  readonly #tails = new Map<string, Promise<void>>()

  /** Runs `step` when all who came before have finished. The signal ends the wait, with its reason, not the step. */
  async run<T>(key: string, step: () => Promise<T>, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<T> {
    signal?.throwIfAborted()
    const before = this.#tails.get(key)
    const { promise: left, resolve: leave } = Promise.withResolvers<void>()
    const tail = before === undefined ? left : before.then(() => left)
    this.#tails.set(key, tail)
    try {
      if (before !== undefined) await untilAborted(before, signal)
      return await step()
    } finally {
      leave()
      // Who waits behind one that gave up still waits for those before it.
      void tail.then(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key)
      })
    }
  }

  /** Somebody holds the key or waits for it. */
  isBusy(key: string): boolean {
    return this.#tails.has(key)
  }
}

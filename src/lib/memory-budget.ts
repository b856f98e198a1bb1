/** What one request holds of a budget. Disposing gives all of it back; twice is once. */
export interface MemoryLease extends Disposable {
  /** Holds so many bytes more; false, and nothing changes, when the budget has not got them. */
  take(bytes: number): boolean
}

/**
 * How many bytes of bodies, outputs and files all requests together may hold. Each request has limits of its own; this keeps many
 * large ones at once from taking the machine's memory. Counts content: copies on the way out come on top, about three times as much.
 */
export class MemoryBudget {
  readonly #limitBytes: number
  #takenBytes = 0

  constructor({ limitBytes }: { limitBytes: number }) {
    this.#limitBytes = limitBytes
  }

  get freeBytes(): number {
    return this.#limitBytes - this.#takenBytes
  }

  lease(): MemoryLease {
    let heldBytes = 0
    return {
      take: (bytes) => {
        if (bytes > this.freeBytes) return false
        this.#takenBytes += bytes
        heldBytes += bytes
        return true
      },
      [Symbol.dispose]: () => {
        this.#takenBytes -= heldBytes
        heldBytes = 0
      },
    }
  }
}

import type { RunEvent } from '../agent/types.ts'
import type { MemoryLease } from '../lib/memory-budget.ts'
import type { CodeError, Display } from './model.ts'

/** What a display costs beside its forms, so that millions of empty ones stay within the limit. */
const DISPLAY_OVERHEAD_BYTES = 256

/** What a run displayed and failed with, in order, in bounded memory: what comes when the limit is reached is left out. */
export class Displays {
  readonly #limitBytes: number
  readonly #memory: Pick<MemoryLease, 'take'> | undefined
  readonly #shown: Display[] = []
  #keptBytes = 0
  #truncated = false
  #error: CodeError | null = null

  constructor({ limitBytes, memory }: { limitBytes: number; memory?: Pick<MemoryLease, 'take'> | undefined }) {
    this.#limitBytes = limitBytes
    this.#memory = memory
  }

  get truncated(): boolean {
    return this.#truncated
  }

  get error(): CodeError | null {
    return this.#error
  }

  all(): Display[] {
    return this.#shown
  }

  /** An update of a display that is not there is a display. */
  add(event: RunEvent | null, sizeBytes: number): void {
    if (event === null) return
    if (!this.#hasRoom(sizeBytes)) {
      this.#truncated = true
      return
    }
    if (event.type === 'error') {
      const { name, value, traceback } = event
      this.#error = { name, value, traceback }
      return
    }
    const { data, main, displayId, truncated } = event
    if (truncated.length > 0) this.#truncated = true
    const before = event.update && displayId !== null ? this.#shown.filter((one) => one.displayId === displayId) : []
    for (const one of before) Object.assign(one, { data, truncated })
    if (before.length === 0) this.#shown.push({ data, main, displayId, truncated })
  }

  #hasRoom(sizeBytes: number): boolean {
    const costBytes = sizeBytes + DISPLAY_OVERHEAD_BYTES
    if (this.#keptBytes + costBytes > this.#limitBytes) return false
    if (this.#memory?.take(costBytes) === false) return false
    this.#keptBytes += costBytes
    return true
  }
}

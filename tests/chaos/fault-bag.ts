import type { Fault, FaultKind } from './faults.ts'
import type { Random } from './random.ts'

type Named = [FaultKind, Fault]

/** Draws faults in random order: each once first, so that a short run sees most of them, then as often as their weights say. */
export class FaultBag {
  readonly #all: Named[]
  readonly #random: Random
  #left: Named[]

  constructor(faults: Named[], random: Random) {
    this.#all = faults
    this.#random = random
    this.#left = [...faults]
  }

  draw(): Named {
    if (this.#left.length === 0)
      this.#left = this.#all.flatMap((one) => Array.from({ length: one[1].weight }, () => one))
    return this.#left.splice(this.#random.between(0, this.#left.length - 1), 1)[0]!
  }
}

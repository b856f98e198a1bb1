import { setTimeout as sleep } from 'node:timers/promises'
import { operate, type Worker } from './operations.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** Pause after each step; a longer one while the server is away, so that the load does not spin. */
const BREATH_MS = 15
const AWAY_MS = 100

/** Workers that use the API in all its ways, one request at a time each. */
export class Load {
  readonly #world: World
  readonly #workers: Worker[]
  #running: Promise<unknown> | null = null
  #end = false

  constructor(world: World, random: Random, count: number) {
    this.#world = world
    this.#workers = Array.from({ length: count }, (_, index) => ({ name: `w${index}`, random: random.fork() }))
  }

  go(): void {
    this.#end = false
    this.#running ??= Promise.all(this.#workers.map((worker) => this.#work(worker)))
  }

  /** Resolves when each worker has the answer of its last request, or its deadline has passed. */
  async rest(): Promise<void> {
    this.#end = true
    await this.#running
    this.#running = null
  }

  async #work(worker: Worker): Promise<void> {
    while (!this.#end) {
      await operate(this.#world, worker)
      await sleep(this.#world.server.runs ? BREATH_MS : AWAY_MS)
    }
  }
}

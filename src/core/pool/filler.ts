import { setTimeout as sleep } from 'node:timers/promises'
import { SandboxError } from '../../errors.ts'
import { discard } from '../discard.ts'
import { sameContainers } from './definition.ts'
import { type FillParts, fill } from './fill.ts'
import type { Pool } from './pool.ts'

/** While a caller's create is under way, or a failure is waited out. */
const LOOK_AGAIN_MS = 100

/**
 * Makes sandboxes for all pools: one at a time, the emptiest pool first, only while no create of a caller runs or waits, and with
 * as long a pause after each as it took.
 */
export class Filler {
  readonly #parts: FillParts
  readonly #pools: () => Pool[]
  readonly #end = new AbortController()
  #working: Promise<void> | null = null

  constructor(parts: FillParts, pools: () => Pool[]) {
    this.#parts = parts
    this.#pools = pools
  }

  get signal(): AbortSignal {
    return this.#end.signal
  }

  /** To be called whenever a pool may have become short. */
  wake(): void {
    if (this.#end.signal.aborted) return
    this.#working ??= this.#work()
      .catch((err: unknown) => this.#parts.log.error({ err }, 'the filling of pools ended'))
      .finally(() => {
        this.#working = null
      })
  }

  /** Makes no more; what is being made is removed. */
  async close(): Promise<void> {
    this.#end.abort(new SandboxError('SHUTTING_DOWN', 'the server is stopping'))
    await this.#working
  }

  async #work(): Promise<void> {
    const { queue, clock } = this.#parts
    const { signal } = this.#end
    while (!signal.aborted && this.#pools().some(({ isShort }) => isShort)) {
      const [pool] = this.#pools()
        .filter(({ wantsOne }) => wantsOne)
        .sort((a, b) => a.fullness - b.fullness)
      const began = clock.now()
      if (pool && queue.isIdle) await this.#makeOne(pool)
      await sleep(Math.max(LOOK_AGAIN_MS, clock.now() - began), undefined, { signal, ref: false }).catch(
        () => undefined,
      )
    }
  }

  async #makeOne(pool: Pool): Promise<void> {
    const { log } = this.#parts
    const { definition } = pool
    pool.warming++
    try {
      const record = await fill(this.#parts, definition, { signal: this.#end.signal })
      const kept = sameContainers(definition, pool.definition) && pool.add(record)
      if (kept) pool.made()
      else if (record.status === 'ready') discard(this.#parts, record, 'pool')
    } catch (error) {
      if (this.#end.signal.aborted) return
      pool.failed(SandboxError.from(error).message)
      log.warn({ pool: definition.name, err: error }, 'could not make a sandbox for a pool, trying again')
    } finally {
      pool.warming--
    }
  }
}

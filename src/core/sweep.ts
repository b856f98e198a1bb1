import type { Engine, Leftovers } from '../engine/types.ts'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'
import type { Volumes } from './volumes/volumes.ts'

const SWEEP_MS = 60_000
const SWEEP_LIMIT_MS = 120_000
const MEASURE_MS = 300_000

export interface SweepParts {
  engine: Engine
  volumes: Volumes
  clock: Clock
  log: Log
}

/** Once a minute: what no event tells. Its failures are logged, never thrown. */
export class Sweep {
  readonly #parts: SweepParts
  readonly #end = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #measuredAt = 0
  /** Since the start; `strangers` as they are now. */
  readonly removed: Leftovers = { helpers: 0, linkFolders: 0, agentVolumes: 0, strangers: 0 }

  constructor(parts: SweepParts) {
    this.#parts = parts
  }

  open(): void {
    this.#timer = setInterval(() => this.#once(), SWEEP_MS).unref()
    this.#once()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#end.abort()
    await this.#running
  }

  #once(): void {
    this.#running ??= this.#sweep().finally(() => {
      this.#running = undefined
    })
  }

  #count(found: Leftovers): void {
    const { log } = this.#parts
    const { helpers, linkFolders, agentVolumes, strangers } = found
    if (helpers + linkFolders + agentVolumes > 0) log.info({ ...found }, 'removed what crashes had left')
    if (strangers !== this.removed.strangers)
      log.warn({ strangers }, "containers with this instance's name and without its signature are left alone")
    this.removed.helpers += helpers
    this.removed.linkFolders += linkFolders
    this.removed.agentVolumes += agentVolumes
    this.removed.strangers = strangers
  }

  async #sweep(): Promise<void> {
    const { engine, volumes, clock, log } = this.#parts
    const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(SWEEP_LIMIT_MS)])
    try {
      await volumes.reconcile({ signal, atStart: false })
      this.#count(await engine.removeLeftovers({ signal }))
      if (clock.now() - this.#measuredAt >= MEASURE_MS) {
        await volumes.measure({ signal })
        this.#measuredAt = clock.now()
      }
    } catch (err) {
      if (!this.#end.signal.aborted) log.warn({ err }, 'could not sweep the engine, trying again within a minute')
    }
  }
}

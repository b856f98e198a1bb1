import { setTimeout as sleep } from 'node:timers/promises'
import { isSandboxError } from '../errors.ts'
import type { Activity } from './activity.ts'
import type { LiveSandboxes } from './live.ts'
import type { SandboxRecord } from './record.ts'

/** One question to the agent lasts so long, then it is asked again. */
const WAIT_MS = 300_000
const PAUSE_MS = 1000

/** Processes that keep their sandbox from ageing while they run. */
export class KeepAlive {
  readonly #live: LiveSandboxes
  readonly #activity: Activity
  /** One a process: a signal that all share would keep a trace of each. */
  readonly #holds = new Set<AbortController>()

  constructor(parts: { live: LiveSandboxes; activity: Activity }) {
    this.#live = parts.live
    this.#activity = parts.activity
  }

  /** The sandbox counts as used from now until the process has ended, or the sandbox's run has. */
  hold(record: SandboxRecord, processId: string): void {
    const end = new AbortController()
    this.#holds.add(end)
    // Never rejects.
    void this.#until(record, processId, end).finally(() => this.#holds.delete(end))
  }

  /** The processes run on. */
  close(): void {
    for (const end of this.#holds) end.abort()
  }

  async #until(record: SandboxRecord, processId: string, end: AbortController): Promise<void> {
    using _use = this.#activity.use(record)
    const { gone } = this.#live.of(record)
    const signal = AbortSignal.any([gone, end.signal])
    while (!signal.aborted) {
      try {
        const client = await this.#live.client(record, { signal })
        const { state } = await client.waitForProcess(processId, WAIT_MS, { signal })
        if (state === 'exited') return
      } catch (error) {
        if (isSandboxError(error, 'PROCESS_NOT_FOUND')) return
        // Its link is lost, or it is busy: the next try tells.
        await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined)
      }
    }
  }
}

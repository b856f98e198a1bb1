import type { KeyedLock } from '../lib/keyed-lock.ts'
import type { Activity } from './activity.ts'
import type { CallOptions } from './model.ts'
import type { SandboxRecord } from './record.ts'
import { requireRunning } from './require-running.ts'
import { type StartParts, startSandbox } from './start.ts'

/** A use of a sandbox that runs: it does not age until this is disposed, the first time. */
export interface RunningUse extends Disposable {
  readonly record: SandboxRecord
  /** Aborts with the reason when the sandbox's run ends. */
  readonly gone: AbortSignal
}

export interface WakeParts extends StartParts {
  activity: Activity
  locks: KeyedLock
}

/** Something may pause it again in between, but not for ever. */
const MOST_TRIES = 5

/** The way to whatever runs in a sandbox: one that sleeps and has `autoResume` is woken by its use. */
export class Wake {
  readonly #parts: WakeParts

  constructor(parts: WakeParts) {
    this.#parts = parts
  }

  /** SANDBOX_NOT_FOUND, SANDBOX_STATE_CONFLICT; where it was asleep, also whatever a start may fail with. */
  async use(id: string, { signal }: CallOptions = {}): Promise<RunningUse> {
    const { registry, locks } = this.#parts
    for (let tries = 0; tries < MOST_TRIES && wakes(registry.require(id)); tries++) {
      await locks.run(id, () => startSandbox(this.#parts, registry.require(id), { signal }), { signal })
    }
    const record = requireRunning(registry, id)
    const use = this.#parts.activity.use(record)
    const { gone } = this.#parts.live.of(record)
    return { record, gone, [Symbol.dispose]: () => use[Symbol.dispose]() }
  }
}

/** Its use is to wake it. */
export function wakes({ autoResume, status, stopping, pausing }: SandboxRecord): boolean {
  return autoResume && (status === 'paused' || status === 'stopped' || (status === 'running' && (stopping || pausing)))
}

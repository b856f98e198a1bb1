import { SandboxError } from '../errors.ts'
import type { Clock } from './clock.ts'
import { type Launch, launch } from './launch.ts'
import type { CallOptions } from './model.ts'
import { resumeSandbox } from './pause.ts'
import type { SandboxRecord } from './record.ts'
import { explainRemoval, REMOVED_OUTSIDE } from './removed-outside.ts'
import type { StartQueue } from './start-queue.ts'
import { type StopParts, stopSandbox } from './stop.ts'
import type { TakeOver } from './take-over.ts'

export interface StartParts extends StopParts, TakeOver {
  queue: StartQueue
  clock: Clock
  startTimeoutMs: number
}

/** Starts a stopped or failed sandbox, wakes a paused one; no-op when it runs. The caller holds its lock. */
export async function startSandbox(parts: StartParts, record: SandboxRecord, { signal }: CallOptions): Promise<void> {
  const { engine, registry, queue, log } = parts
  // What an outage cut off is finished first: its agent starts nothing any more.
  if (record.stopping) await stopSandbox(parts, record, { signal })
  if (record.status === 'running') return
  if (record.status === 'paused') return await resumeSandbox(parts, record, { signal })
  const { ref } = record
  if (ref === null)
    throw new SandboxError('SANDBOX_STATE_CONFLICT', 'the sandbox was never made; delete it and create another')
  try {
    await queue.run(() => bringUp(parts, record, { kind: 'again', ref }, { signal }), { signal })
  } catch (error) {
    const deleted = registry.find(record.id)?.status === 'deleting'
    const failure = SandboxError.from(deleted ? error : explainRemoval(error))
    parts.live.end(record.id, failure)
    if (failure.code === 'SANDBOX_STATE_CONFLICT') {
      registry.update(record.id, { status: 'failed', reason: REMOVED_OUTSIDE })
    } else if (!deleted) {
      await engine
        .stop(record.id, ref)
        .catch((err: unknown) => log.warn({ sandbox: record.id, err }, 'could not stop after a failed start'))
      registry.update(record.id, {
        status: failure.code === 'CLIENT_GONE' ? 'stopped' : 'failed',
        reason: failure.message,
      })
    }
    throw failure
  }
}

/** From the engine to an agent that answers; the record says `running` then. */
export async function bringUp(
  { engine, live, registry, clock, startTimeoutMs }: StartParts,
  record: SandboxRecord,
  how: Launch['how'],
  { signal }: CallOptions,
): Promise<void> {
  const parts = { engine, live, record, how, timeoutMs: startTimeoutMs }
  const { fixed: _, ...launched } = await launch(parts, { signal })
  // Deleted while it started: leave it to the removal that waits for this lock.
  registry.require(record.id)
  registry.update(record.id, { ...launched, status: 'running', lastActiveAt: clock.now() })
}

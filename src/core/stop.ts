import type { Engine } from '../engine/types.ts'
import { SandboxError } from '../errors.ts'
import type { LiveSandboxes } from './live.ts'
import type { Log } from './log.ts'
import type { CallOptions } from './model.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { explainRemoval, throwExplained } from './removed-outside.ts'

/** Longer than the grace: the agent answers when all are gone, or kills them. */
const SHUTDOWN_MARGIN_MS = 3000

export interface StopParts {
  engine: Engine
  registry: Registry
  live: LiveSandboxes
  log: Log
  stopGraceMs: number
}

/**
 * SIGTERM to all processes, the grace, SIGKILL, then the engine's stop; the disk stays. No-op when stopped. The caller holds the
 * sandbox's lock. An agent that was asked to shut down starts nothing any more, so what has begun is finished: the record says
 * `stopping` until then, and `reconcile` takes it up again after a crash or an outage of the engine.
 */
export async function stopSandbox(
  parts: StopParts,
  record: SandboxRecord,
  { signal, reason = null }: CallOptions & { reason?: string | null },
): Promise<void> {
  const { engine, registry, live } = parts
  const { ref } = record
  if (record.status === 'stopped' || ref === null) return
  // Frozen processes could not hear that they are to end.
  if (record.status === 'paused') {
    await engine.resume(record.id, ref, { signal }).catch(throwExplained)
    registry.update(record.id, { status: 'running', reason: null })
  }
  if (record.status === 'running') {
    // Before anything is ended: nothing is begun that an engine which is away could not finish.
    await engine.inspect(record.id, ref, { signal }).catch(throwExplained)
    registry.update(record.id, { stopping: true })
    await endProcesses(parts, record)
  }
  try {
    // From here on without the caller's signal: what is half stopped is of no use to anybody.
    await engine.stop(record.id, ref)
  } catch (error) {
    if (record.stopping)
      registry.update(record.id, { reason: 'a stop ended its processes and was then cut off; it is finished soon' })
    throw explainRemoval(error)
  }
  registry.update(record.id, { status: 'stopped', stopping: false, reason })
  live.end(
    record.id,
    new SandboxError('SANDBOX_STATE_CONFLICT', 'the sandbox was stopped in the meantime; start it to go on'),
  )
}

/** The agent's graceful phase. What it can't end in time, the engine's stop does. */
async function endProcesses({ live, stopGraceMs, log }: StopParts, record: SandboxRecord): Promise<void> {
  const signal = AbortSignal.timeout(stopGraceMs + SHUTDOWN_MARGIN_MS)
  try {
    const client = await live.client(record, { signal })
    await client.shutdown(stopGraceMs, { signal })
  } catch (err) {
    log.warn({ sandbox: record.id, err }, 'the agent did not end the processes, stopping anyway')
  }
}

import type { Engine } from '../engine/types.ts'
import { SandboxError } from '../errors.ts'
import type { LiveSandboxes } from './live.ts'
import type { CallOptions } from './model.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { throwExplained } from './removed-outside.ts'
import { requireRunning } from './require-running.ts'
import { reach, type TakeOver } from './take-over.ts'

export interface PauseParts {
  engine: Engine
  registry: Registry
  live: LiveSandboxes
}

/**
 * Freezes all processes where they are. Calls under way end with the reason; what they run is frozen like all else and goes on
 * with a resume. No-op when paused. The caller holds the sandbox's lock. SANDBOX_STATE_CONFLICT when it does not run.
 */
export async function pauseSandbox(
  { engine, registry, live }: PauseParts,
  record: SandboxRecord,
  { reason, signal }: CallOptions & { reason: string | null },
): Promise<void> {
  if (record.status === 'paused') return
  const { id, ref } = requireRunning(registry, record.id)
  if (ref === null) throw new SandboxError('INTERNAL', 'a sandbox runs without a reference')
  // Whoever comes from here on waits for the lock, and is not frozen in the middle.
  record.pausing = true
  try {
    await engine.pause(id, ref, { signal }).catch(throwExplained)
    registry.update(id, { status: 'paused', reason })
  } finally {
    record.pausing = false
  }
  live.end(id, pausedMeanwhile())
}

export function pausedMeanwhile(): SandboxError {
  return new SandboxError(
    'SANDBOX_STATE_CONFLICT',
    'the sandbox was paused in the meantime; its processes go on when it is resumed (action "resume")',
  )
}

/** Its processes go on where they were. The caller holds the sandbox's lock. */
export async function resumeSandbox(
  parts: PauseParts & TakeOver,
  record: SandboxRecord,
  { signal }: CallOptions,
): Promise<void> {
  const { engine, registry } = parts
  if (record.ref === null) throw new SandboxError('INTERNAL', 'a sandbox is paused without a reference')
  await engine.resume(record.id, record.ref, { signal }).catch(throwExplained)
  registry.update(record.id, { status: 'running', reason: null })
  // In the background: the first call waits for the same link.
  void reach(parts, record)
}

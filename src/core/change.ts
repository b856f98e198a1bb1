import type { Engine, Resources } from '../engine/types.ts'
import { isSandboxError, SandboxError } from '../errors.ts'
import type { Log } from './log.ts'
import type { CallOptions, ChangeSandbox } from './model.ts'
import { lifetimeWithin, resourcesWithin, type SandboxRules, timeoutWithin } from './new-record.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { throwExplained } from './removed-outside.ts'

/** What a change asks for, within the server's limits. VALIDATION_FAILED, INVALID_REQUEST for another disk. */
export function changeOf(
  { resources }: SandboxRecord,
  request: ChangeSandbox,
  rules: SandboxRules,
): Partial<
  Pick<SandboxRecord, 'metadata' | 'timeoutSeconds' | 'onTimeout' | 'autoResume' | 'maxLifetimeSeconds' | 'resources'>
> {
  const { metadata, timeoutSeconds, onTimeout, autoResume, maxLifetimeSeconds } = request
  return {
    ...(metadata && { metadata }),
    ...(timeoutSeconds !== undefined && { timeoutSeconds: timeoutWithin(timeoutSeconds, rules) }),
    ...(onTimeout && { onTimeout }),
    ...(autoResume !== undefined && { autoResume }),
    ...(maxLifetimeSeconds !== undefined && { maxLifetimeSeconds: lifetimeWithin(maxLifetimeSeconds, rules) }),
    ...(request.resources && { resources: changedResources(resources, request.resources, rules) }),
  }
}

function changedResources(now: Resources, asked: Partial<Resources>, rules: SandboxRules): Resources {
  if (asked.diskMb !== undefined && asked.diskMb !== now.diskMb)
    throw new SandboxError('INVALID_REQUEST', 'disk_mb is set when a sandbox is made and stays; leave it out')
  return { ...resourcesWithin({ ...now, ...asked }, rules), diskMb: now.diskMb }
}

/**
 * Other limits, at once and for later starts. Written down before and after, so that `finishChange` can finish it after a crash.
 * The caller holds the sandbox's lock.
 */
export async function changeResources(
  { engine, registry }: { engine: Engine; registry: Registry },
  { id, ref, status, resources: before }: SandboxRecord,
  resources: Resources,
  { signal }: CallOptions,
): Promise<void> {
  signal?.throwIfAborted()
  if (ref === null || status === 'failed')
    throw new SandboxError('SANDBOX_STATE_CONFLICT', `the sandbox is ${status}; its limits can't be changed now`)
  registry.update(id, { changingTo: resources })
  try {
    // Without the caller's signal: what is half changed is of no use to anybody.
    await engine.update(id, ref, resources)
  } catch (error) {
    // Where the engine has not said no, it may have done it: those of before are set again then, see finishChange.
    const refused = isSandboxError(error, 'SANDBOX_STATE_CONFLICT') || isSandboxError(error, 'SANDBOX_NOT_FOUND')
    registry.update(id, { changingTo: refused ? null : before })
    return throwExplained(error)
  }
  registry.update(id, { resources, changingTo: null })
}

/** Of a change that a crash or an outage cut off; the caller holds the lock. No-op where there is none. Never rejects. */
export async function finishChange(
  parts: { engine: Engine; registry: Registry; log: Log },
  record: SandboxRecord,
  { signal }: CallOptions,
): Promise<void> {
  if (record.changingTo === null) return
  try {
    await changeResources(parts, record, record.changingTo, { signal })
  } catch (err) {
    parts.log.warn({ sandbox: record.id, err }, 'could not finish a change of limits')
  }
}

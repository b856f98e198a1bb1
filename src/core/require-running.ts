import { SandboxError } from '../errors.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { REMOVED_OUTSIDE } from './removed-outside.ts'

/** The record of a sandbox in which something can be run now. SANDBOX_NOT_FOUND, SANDBOX_STATE_CONFLICT. */
export function requireRunning(registry: Registry, id: string): SandboxRecord {
  const record = registry.require(id)
  if (record.status === 'running' && !record.stopping && !record.pausing) return record
  if (record.stopping)
    throw new SandboxError('SANDBOX_STATE_CONFLICT', 'the sandbox is being stopped; start it (action "start") to go on')
  if (record.pausing)
    throw new SandboxError(
      'SANDBOX_STATE_CONFLICT',
      'the sandbox is being paused; resume it (action "resume") to go on',
    )
  const why = record.reason ? ` (${record.reason})` : ''
  throw new SandboxError('SANDBOX_STATE_CONFLICT', `the sandbox is ${record.status}${why}${nextStep(record)}`)
}

/** Nothing where the reason says it. */
function nextStep({ status, reason }: SandboxRecord): string {
  if (reason === REMOVED_OUTSIDE) return ''
  if (status === 'creating') return '; wait until it runs'
  return status === 'paused' ? '; resume it first (action "resume")' : '; start it first (action "start")'
}

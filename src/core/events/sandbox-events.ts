import type { SandboxRecord } from '../record.ts'
import type { EventType, NewEvent } from './event.ts'

/** Members of a record whose change is told, by their wire names. */
const TOLD = {
  metadata: 'metadata',
  timeoutSeconds: 'timeout',
  onTimeout: 'on_timeout',
  autoResume: 'auto_resume',
  maxLifetimeSeconds: 'max_lifetime',
  resources: 'resources',
  network: 'network',
  egress: 'egress',
} as const satisfies Partial<Record<keyof SandboxRecord, string>>

/** What a change of a sandbox's record means to those who look from outside; null: nothing. `before` null: it is new. */
export function eventOf(before: SandboxRecord | null, after: SandboxRecord): NewEvent | null {
  const type = typeOf(before, after)
  if (type === null) return null
  const { id, name, template, status, reason, warm, deletedBy } = after
  const about = { name, template }
  switch (type) {
    case 'sandbox.created':
      return { type, sandboxId: id, data: { ...about, status, warm } }
    case 'sandbox.deleted':
    case 'sandbox.create_failed':
      return { type, sandboxId: id, data: { ...about, by: deletedBy } }
    case 'sandbox.updated':
      return { type, sandboxId: id, data: { ...about, changed: before ? changed(before, after) : [] } }
    default:
      return { type, sandboxId: id, data: { ...about, status, reason } }
  }
}

function typeOf(before: SandboxRecord | null, after: SandboxRecord): EventType | null {
  const was = before?.status ?? null
  const { status } = after
  // Nobody's yet, or made only now.
  if (status === 'creating' || status === 'warming' || status === 'ready' || status === 'building') return null
  if (was === 'warming' || was === 'building') return null
  if (status === 'deleting') {
    if (was === null || was === 'deleting' || was === 'ready') return null
    return was === 'creating' ? 'sandbox.create_failed' : 'sandbox.deleted'
  }
  if (was === null) return 'sandbox.adopted'
  if (was === 'creating' || was === 'ready') return status === 'running' ? 'sandbox.created' : null
  if (was !== status) {
    if (status === 'running') return was === 'paused' ? 'sandbox.resumed' : 'sandbox.started'
    return `sandbox.${status}`
  }
  return before && changed(before, after).length > 0 ? 'sandbox.updated' : null
}

function changed(before: SandboxRecord, after: SandboxRecord): string[] {
  const differs = (key: keyof typeof TOLD) => JSON.stringify(before[key]) !== JSON.stringify(after[key])
  return (Object.keys(TOLD) as (keyof typeof TOLD)[]).filter(differs).map((key) => TOLD[key])
}

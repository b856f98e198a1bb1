import type { SandboxInfo } from '../../schemas/sandbox.ts'
import type { Sandbox } from '../core/model.ts'
import { nullableTimestamp, timestamp } from '../http/timestamp.ts'
import { resourcesAnswer } from './resources.ts'

/** A sandbox as it goes over the wire. Its environment stays out: it may hold secrets. */
export function sandboxAnswer(sandbox: Sandbox): SandboxInfo {
  return {
    sandbox_id: sandbox.id,
    status: sandbox.status,
    name: sandbox.name,
    reason: sandbox.reason,
    template: sandbox.template,
    cwd: sandbox.cwd,
    user: sandbox.user,
    timeout: sandbox.timeoutSeconds,
    created_at: timestamp(sandbox.createdAt),
    expires_at: nullableTimestamp(sandbox.expiresAt),
    metadata: sandbox.metadata,
    resources: resourcesAnswer(sandbox.resources),
    network: sandbox.network,
    volumes: sandbox.volumes.map(({ name, path, readOnly }) => ({ name, path, read_only: readOnly })),
    on_timeout: sandbox.onTimeout,
    auto_resume: sandbox.autoResume,
    max_lifetime: sandbox.maxLifetimeSeconds,
    warm: sandbox.warm,
    origin: sandbox.origin && { sandbox_id: sandbox.origin.sandboxId, snapshot_id: sandbox.origin.snapshotId },
  }
}

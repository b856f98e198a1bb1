import type { SandboxInfo } from '../../schemas/sandbox.ts'
import type { Sandbox } from '../core/model.ts'
import { nullableTimestamp, timestamp } from '../http/timestamp.ts'

/** A sandbox as it goes over the wire. Its environment stays out: it may hold secrets. */
export function sandboxAnswer(sandbox: Sandbox): SandboxInfo {
  const { cpus, memoryMb, pids, diskMb } = sandbox.resources
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
    resources: { cpus, memory_mb: memoryMb, pids, disk_mb: diskMb },
    network: sandbox.network,
    on_timeout: sandbox.onTimeout,
    auto_resume: sandbox.autoResume,
    max_lifetime: sandbox.maxLifetimeSeconds,
  }
}

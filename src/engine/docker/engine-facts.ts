import type { CallOptions } from '../types.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'

export interface EngineFacts {
  version: string
  warnings: string[]
}

/** runc with the fixes of CVE-2025-31133, -52565 and -52881, per release line. */
const FIXED_RUNC: Record<string, number> = { '1.2': 8, '1.3': 3 }

/** Reads version and settings of the engine, and says what an operator should know of them. */
export async function readEngineFacts({ docker, timeouts }: Context, { signal }: CallOptions): Promise<EngineFacts> {
  const call = { signal, timeoutMs: timeouts.callMs }
  const [version, info] = await Promise.all([
    engineCall('ping', () => docker.version(), call),
    engineCall('ping', () => docker.info() as Promise<Info>, call),
  ])
  const runc = version.Components?.find(({ Name }) => Name === 'runc')?.Version
  const warnings: string[] = []
  if (runc !== undefined && !runcIsFixed(runc)) {
    warnings.push(
      `runc ${runc} lacks the fixes for the container escapes of November 2025; install 1.2.8, 1.3.3 or newer`,
    )
  }
  const security = info.SecurityOptions ?? []
  if (!security.some((one) => one.includes('name=seccomp'))) {
    warnings.push('the engine has no seccomp support: sandboxes reach the whole system call surface of the kernel')
  }
  if (info.MemoryLimit === false) warnings.push('the kernel has no memory limit for containers (cgroup memory is off)')
  if (info.PidsLimit === false) warnings.push('the kernel has no process limit for containers (cgroup pids is off)')
  if (info.CpuCfsQuota === false) warnings.push('the kernel has no CPU limit for containers (CFS quota is off)')
  return { version: version.Version, warnings }
}

interface Info {
  SecurityOptions?: string[]
  MemoryLimit?: boolean
  PidsLimit?: boolean
  CpuCfsQuota?: boolean
}

/** Versions that can't be read count as old. */
export function runcIsFixed(version: string): boolean {
  const match = /^(\d+)\.(\d+)\.(\d+)(?:-rc\.(\d+))?/.exec(version)
  if (!match) return false
  const [major = 0, minor = 0, patch = 0] = match.slice(1, 4).map(Number)
  if (major !== 1) return major > 1
  if (match[4] !== undefined && minor === 4 && patch === 0) return Number(match[4]) >= 3
  if (minor >= 4) return true
  return patch >= (FIXED_RUNC[`${major}.${minor}`] ?? Number.POSITIVE_INFINITY)
}

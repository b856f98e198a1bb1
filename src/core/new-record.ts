import type { Config } from '../config.ts'
import type { Resources, Template } from '../engine/types.ts'
import { SandboxError } from '../errors.ts'
import { newSandboxId } from '../lib/ids.ts'
import { checkRules } from './egress/rules.ts'
import type { CreateSandbox } from './model.ts'
import type { SandboxRecord } from './record.ts'

/** The part of the Config that decides what a create gets. */
export type SandboxRules = Pick<Config, 'defaults' | 'limits'>

/** uid and gid of a sandbox whose image names no user. */
const ORDINARY_USER = '1000:1000'
const DEFAULT_CWD = '/home/user'
/** Below these the agent and a shell do not fit. */
const LEAST = { cpus: 0.05, memoryMb: 128, pids: 96, diskMb: 64 }

/** The record of a sandbox that is to be made: the request with the server's defaults, within its limits. VALIDATION_FAILED otherwise. */
export function newRecord(request: CreateSandbox, template: Template, rules: SandboxRules, now: number): SandboxRecord {
  return {
    id: newSandboxId(),
    name: request.name ?? null,
    status: 'creating',
    reason: null,
    stopping: false,
    pausing: false,
    ref: null,
    template: template.reference,
    imageId: template.imageId,
    snapshotId: null,
    origin: null,
    imageEnv: template.env,
    cwd: request.cwd || (template.workdir === '/' ? null : template.workdir) || DEFAULT_CWD,
    user: request.user || template.user || ORDINARY_USER,
    identity: null,
    envs: request.envs ?? {},
    metadata: request.metadata ?? {},
    resources: resourcesWithin(request.resources ?? {}, rules),
    changingTo: null,
    ...reach(request),
    networkMoved: false,
    startup: null,
    volumes: [],
    timeoutSeconds: timeoutWithin(request.timeoutSeconds, rules),
    onTimeout: request.onTimeout ?? 'delete',
    autoResume: request.autoResume ?? false,
    maxLifetimeSeconds: lifetimeWithin(request.maxLifetimeSeconds, rules),
    disposable: request.disposable ?? false,
    deletedBy: null,
    warm: false,
    pooled: null,
    createdAt: now,
    lastActiveAt: now,
  }
}

/** An allow-list is for a sandbox that has no network. */
function reach({ network, egress }: CreateSandbox): Pick<SandboxRecord, 'network' | 'egress'> {
  if (egress === undefined) return { network: network ?? 'internet', egress: null }
  checkRules(egress, ['body', 'egress', 'allow'])
  if (network !== undefined && network !== 'none')
    throw new SandboxError(
      'INVALID_REQUEST',
      'egress is for network "none", which it gives a way out; leave network out',
    )
  return { network: 'none', egress }
}

/** Absent or 0 is the default. VALIDATION_FAILED above the server's limit. */
export function timeoutWithin(seconds: number | undefined, { defaults, limits }: SandboxRules): number {
  if (!seconds) return defaults.timeoutSeconds
  return within(seconds, { least: 1, most: limits.timeoutSeconds, setting: 'K2_MAX_TIMEOUT' }, ['timeout'], 'seconds')
}

/** Absent or 0 is the server's limit, null where it has none. VALIDATION_FAILED above it. */
export function lifetimeWithin(seconds: number | undefined, { limits }: SandboxRules): number | null {
  const most = limits.lifetimeSeconds
  if (!seconds) return most
  const range = { least: 1, most: most ?? Number.POSITIVE_INFINITY, setting: 'K2_MAX_LIFETIME' }
  return within(seconds, range, ['max_lifetime'], 'seconds')
}

/** Absent members are the defaults. VALIDATION_FAILED outside of the server's limits. */
export function resourcesWithin(asked: Partial<Resources>, { defaults, limits }: SandboxRules): Resources {
  const limited = (value: number, least: number, most: number, name: string, unit: string) =>
    within(value, { least, most, setting: `K2_MAX_${name.toUpperCase()}` }, ['resources', name], unit)
  return {
    cpus: limited(asked.cpus ?? defaults.cpus, LEAST.cpus, limits.cpus, 'cpus', 'cores'),
    memoryMb: limited(asked.memoryMb ?? defaults.memoryMb, LEAST.memoryMb, limits.memoryMb, 'memory_mb', 'MiB'),
    pids: limited(asked.pids ?? defaults.pids, LEAST.pids, limits.pids, 'pids', 'processes'),
    diskMb:
      asked.diskMb == null ? defaults.diskMb : limited(asked.diskMb, LEAST.diskMb, limits.diskMb, 'disk_mb', 'MiB'),
  }
}

function within(
  value: number,
  range: { least: number; most: number; setting: string },
  member: string[],
  unit: string,
): number {
  if (value >= range.least && value <= range.most) return value
  const name = member.join('.')
  const above = value > range.most
  const msg = above
    ? `${name} is ${value} ${unit}, this server allows ${range.most} at most (${range.setting})`
    : `${name} is ${value} ${unit}, a sandbox needs ${range.least} at least`
  const type = above ? 'value_error.number.not_le' : 'value_error.number.not_ge'
  throw new SandboxError('VALIDATION_FAILED', msg, { details: { errors: [{ loc: ['body', ...member], msg, type }] } })
}

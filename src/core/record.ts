import type { EngineCreated, EngineRef, Network, Resources, Template } from '../engine/types.ts'
import type { EgressRule } from './egress/rules.ts'
import type { OnTimeout, Origin, Sandbox, SandboxStatus } from './model.ts'
import type { Startup } from './templates/model.ts'
import type { MountRecord } from './volumes/volume.ts'

/**
 * Beside those of the API, invisible to it. `deleting`: answered as deleted, kept until the engine has removed it. `warming` and
 * `ready`: nobody's yet, in a pool. `building`: steps of a template's build are done in it.
 */
export type RecordStatus = SandboxStatus | 'deleting' | 'warming' | 'ready' | 'building'

/** What a sandbox in a pool was made for. */
export interface Pooled {
  pool: string
  /** See EngineInfo.fingerprint. */
  fingerprint: string
  /** As it was asked for; the engine may have decided otherwise. */
  asked: { cwd: string; user: string }
  /** What the engine decided. */
  fixed: EngineCreated['fixed']
  /** Languages whose own contexts run already. */
  prestarted: string[]
}

/** Only the API's own statuses can be seen by callers. */
export function isVisible({ status }: Pick<SandboxRecord, 'status'>): boolean {
  return status !== 'deleting' && status !== 'warming' && status !== 'ready' && status !== 'building'
}

/** All that is known of one sandbox. The durable truth; the labels hold only a copy of what never changes. */
export interface SandboxRecord {
  id: string
  name: string | null
  status: RecordStatus
  reason: string | null
  /** A stop has begun and must be finished, whatever comes in between. */
  stopping: boolean
  /** A pause is under way: who wants to use it waits for the lock. Of this process only. */
  pausing: boolean
  /** null until the engine has made it. */
  ref: EngineRef | null
  template: string
  /** Of the engine; null in records of earlier versions. */
  imageId: string | null
  /** The snapshot whose image it was made of, also one that a fork made for itself; null: another image. */
  snapshotId: string | null
  origin: Origin | null
  /** The image's ENV as it was at creation. */
  imageEnv: Record<string, string>
  cwd: string
  /** As asked: a name or uid, with or without group. */
  user: string
  /** As the agent resolved it, null before the first start. */
  identity: { uid: number; gid: number } | null
  envs: Record<string, string>
  metadata: Record<string, string>
  resources: Resources
  /** Limits that the engine was asked to set and may not have yet: a crash came in between. null: none. */
  changingTo: Resources | null
  network: Network
  /** It was made with another: said to the engine again before each start, since a crash may have cut the change off. */
  networkMoved: boolean
  /** What its programs may reach though it has no network; null: nothing, and no way out is opened. Its headers are secrets. */
  egress: EgressRule[] | null
  /** What runs from each of its starts on; null: nothing does. */
  startup: Startup | null
  /** Those that it was made with. */
  volumes: MountRecord[]
  timeoutSeconds: number
  onTimeout: OnTimeout
  /** The use of one that is paused or stopped wakes it. */
  autoResume: boolean
  /** From its creation on, used or not. null: no end. */
  maxLifetimeSeconds: number | null
  /** Of one call alone; a start of the server removes it. */
  disposable: boolean
  /** Why it is being deleted; null as long as it is not. */
  deletedBy: DeletedBy | null
  /** It was made ahead, and given to its caller from a pool. */
  warm: boolean
  /** null: it is somebody's. */
  pooled: Pooled | null
  createdAt: number
  lastActiveAt: number
}

/** `create_failed`: nobody was told of it; `server_restart`: its create was cut off by one; `pool`, `build`: it was nobody's. */
export type DeletedBy = 'request' | 'timeout' | 'max_lifetime' | 'create_failed' | 'server_restart' | 'pool' | 'build'

/** Of a record that an earlier version wrote, what it had no members for. */
const ABSENT_BEFORE = {
  egress: null,
  networkMoved: false,
  imageId: null,
  volumes: [] as MountRecord[],
  snapshotId: null,
  origin: null,
  changingTo: null,
  startup: null,
  autoResume: false,
  maxLifetimeSeconds: null,
  disposable: false,
  deletedBy: null,
  warm: false,
  pooled: null,
}

/** From the JSON of a record, of this version or an earlier one. */
export function parseRecord(body: string): SandboxRecord {
  return { ...ABSENT_BEFORE, ...(JSON.parse(body) as SandboxRecord), pausing: false }
}

/** The part of a record that never changes, for the engine's signed label. Environment and metadata stay out: labels are readable on the host. */
export function toLabel(record: SandboxRecord): string {
  const { id, name, template, snapshotId, origin, cwd, user, resources, network, volumes, createdAt } = record
  const { timeoutSeconds, onTimeout, autoResume, maxLifetimeSeconds } = record
  const life = { timeoutSeconds, onTimeout, autoResume, maxLifetimeSeconds }
  const copied = snapshotId === null ? {} : { snapshotId, origin }
  const purpose = record.status === 'building' ? { build: true } : {}
  const kept = { ...copied, ...life, ...purpose }
  return JSON.stringify({ id, name, template, cwd, user, resources, network, volumes, ...kept, createdAt })
}

/** A record for a sandbox that only the engine still knows. Its signature was right, so the text is ours. */
export function fromLabel(
  label: string,
  found: { ref: EngineRef; status: SandboxStatus; template: Template | null; now: number },
): SandboxRecord {
  const kept = JSON.parse(label) as Omit<
    SandboxRecord,
    | 'status'
    | 'reason'
    | 'stopping'
    | 'egress'
    | 'networkMoved'
    | 'pausing'
    | 'changingTo'
    | 'startup'
    | 'deletedBy'
    | 'ref'
    | 'imageId'
    | 'warm'
    | 'disposable'
    | 'pooled'
    | 'imageEnv'
    | 'identity'
    | 'envs'
    | 'metadata'
    | 'lastActiveAt'
  >
  return {
    ...ABSENT_BEFORE,
    ...kept,
    pausing: false,
    status: found.status,
    reason: 'found again without its database record: its metadata and envs are lost',
    stopping: false,
    ref: found.ref,
    imageId: found.template?.imageId ?? null,
    imageEnv: found.template?.env ?? {},
    identity: null,
    envs: {},
    metadata: {},
    lastActiveAt: found.now,
  }
}

/** The view of a record that callers get. `expiresAt` is the activity's to know. */
export function toSandbox(record: SandboxRecord, expiresAt: number | null): Sandbox {
  const {
    id,
    name,
    status,
    reason,
    template,
    cwd,
    user,
    envs,
    metadata,
    resources,
    network,
    volumes,
    timeoutSeconds,
    onTimeout,
    autoResume,
    maxLifetimeSeconds,
    warm,
    origin,
    createdAt,
  } = record
  if (status === 'deleting' || status === 'warming' || status === 'ready' || status === 'building')
    throw new Error(`sandbox ${id} is ${status} and has no view`)
  return {
    id,
    name,
    status,
    reason,
    template,
    cwd,
    user,
    envs,
    metadata,
    resources,
    network,
    volumes,
    timeoutSeconds,
    onTimeout,
    autoResume,
    maxLifetimeSeconds,
    warm,
    origin,
    createdAt,
    expiresAt,
  }
}

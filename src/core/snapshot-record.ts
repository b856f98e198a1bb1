import type { EngineImage, ImageRef } from '../engine/types.ts'
import type { Snapshot, SnapshotStatus } from './model.ts'
import type { SandboxRecord } from './record.ts'

/**
 * `creating`: the image may be there or not yet. `deleting`: answered as deleted, or never to be seen; kept until the engine has
 * removed the image, which is when nothing is made of it any more.
 */
export type SnapshotRecordStatus = SnapshotStatus | 'creating' | 'deleting'

/** What a sandbox that is made of it gets where its create says nothing. */
export type SnapshotDefaults = Pick<SandboxRecord, 'cwd' | 'user' | 'envs' | 'resources' | 'network'>

/** All that is known of one snapshot. */
export interface SnapshotRecord {
  id: string
  name: string | null
  status: SnapshotRecordStatus
  metadata: Record<string, string>
  /** Made by a fork, for it alone: no caller sees it. */
  temporary: boolean
  /** null until the engine has made it. */
  ref: ImageRef | null
  /** A commit that was cut off may still end in an image until then: the row stays as long, so that it is known as ours. null: it can't. */
  uncertainUntil: number | null
  sandboxId: string
  /** The snapshot whose image its own stands on. null: none. */
  parentId: string | null
  template: string
  defaults: SnapshotDefaults
  /** What its template has running from each start on. */
  startup: SandboxRecord['startup']
  /** What had changed in its sandbox is kept. */
  tracksChanges: boolean
  sizeBytes: number
  /** By the engine's clock, while the sandbox stood still. */
  takenAt: number
  createdAt: number
}

/** What the engine keeps with the image, so that it can be found again without its row. Environment and metadata stay out, as of sandboxes. */
export function toImageLabel({
  id,
  name,
  temporary,
  sandboxId,
  parentId,
  template,
  defaults,
  createdAt,
}: SnapshotRecord) {
  const { envs, ...kept } = defaults
  return JSON.stringify({ id, name, temporary, sandboxId, parentId, template, defaults: kept, createdAt })
}

/** A record for an image that only the engine still knows. Its signature was right, so the text is ours. */
export function fromImageLabel({ record, ref, createdAt: takenAt }: EngineImage): SnapshotRecord {
  const kept = JSON.parse(record) as Pick<
    SnapshotRecord,
    'id' | 'name' | 'temporary' | 'sandboxId' | 'parentId' | 'template' | 'defaults' | 'createdAt'
  >
  return {
    ...kept,
    defaults: { ...kept.defaults, envs: {} },
    status: kept.temporary ? 'deleting' : 'ready',
    metadata: {},
    startup: null,
    tracksChanges: false,
    ref,
    uncertainUntil: null,
    sizeBytes: 0,
    takenAt,
  }
}

/** The view of a record that callers get. */
export function toSnapshot(record: SnapshotRecord): Snapshot {
  const { id, name, status, metadata, sandboxId, template, defaults, tracksChanges, sizeBytes, createdAt } = record
  if (status !== 'ready' && status !== 'lost') throw new Error(`snapshot ${id} is ${status} and has no view`)
  const { cwd, user, resources, network } = defaults
  return {
    id,
    name,
    status,
    metadata,
    sandboxId,
    template,
    cwd,
    user,
    resources,
    network,
    tracksChanges,
    sizeBytes,
    createdAt,
  }
}

import {
  SnapshotCreate,
  SnapshotDeleted,
  SnapshotInfo,
  SnapshotKey,
  SnapshotList,
  SnapshotListQuery,
} from '../../schemas/snapshot.ts'
import { Ref, Type } from '../../schemas/typebox.ts'
import type { CallOptions, CreateSnapshot, Snapshot, SnapshotFilter, SnapshotPage } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { timestamp } from '../http/timestamp.ts'
import { SNAPSHOT } from './examples.ts'
import { resourcesAnswer } from './resources.ts'
import { SandboxParams } from './sandbox-id.ts'
import { toPairs } from './sandboxes.ts'

export interface SnapshotRoutesOptions {
  snapshots: {
    create(sandboxId: string, request: CreateSnapshot, options: CallOptions): Promise<Snapshot>
    get(idOrName: string): Snapshot
    list(filter: SnapshotFilter): SnapshotPage
    /** Its id. */
    remove(idOrName: string): string
  }
}

export async function snapshotRoutes(app: TypedApp, { snapshots }: SnapshotRoutesOptions): Promise<void> {
  app.post('/sandboxes/:sandbox_id/snapshots', { schema: createSnapshot }, async ({ params, body }, reply) =>
    snapshotAnswer(await snapshots.create(params.sandbox_id, toRequest(body), { signal: clientGone(reply) })),
  )

  app.get('/snapshots', { schema: listSnapshots }, async ({ query }) => {
    const page = snapshots.list(toFilter(query))
    return { snapshots: page.snapshots.map(snapshotAnswer), next_cursor: page.nextCursor }
  })

  app.get('/snapshots/:snapshot_id', { schema: getSnapshot }, async ({ params }) =>
    snapshotAnswer(snapshots.get(params.snapshot_id)),
  )

  app.delete('/snapshots/:snapshot_id', { schema: deleteSnapshot }, async ({ params }) => ({
    snapshot_id: snapshots.remove(params.snapshot_id),
    status: 'deleted' as const,
  }))
}

function toRequest({ name, metadata, track_changes: trackChanges }: SnapshotCreate): CreateSnapshot {
  return { name, metadata, trackChanges }
}

const DEFAULT_PAGE = 1000

function toFilter({ metadata, sandbox_id, limit, ...filter }: SnapshotListQuery): SnapshotFilter {
  return {
    ...filter,
    sandboxId: sandbox_id,
    metadata: metadata && toPairs(metadata),
    limit: limit ?? DEFAULT_PAGE,
  }
}

function snapshotAnswer(snapshot: Snapshot): SnapshotInfo {
  const { id, name, status, metadata, sandboxId, template, cwd, user, network } = snapshot
  return {
    snapshot_id: id,
    name,
    status,
    metadata,
    sandbox_id: sandboxId,
    template,
    cwd,
    user,
    resources: resourcesAnswer(snapshot.resources),
    network,
    size_bytes: snapshot.sizeBytes,
    tracks_changes: snapshot.tracksChanges,
    created_at: timestamp(snapshot.createdAt),
    kept: ['files'],
    not_kept: ['processes', 'memory', 'mounts'],
  }
}

const SnapshotParams = Type.Object({ snapshot_id: SnapshotKey })

const createSnapshot = operation({
  operationId: 'createSnapshot',
  tag: 'snapshots',
  summary: 'Keep the files of a sandbox as they are now',
  description:
    'Of a sandbox that runs, is paused or stopped; it stays what it was. All files are of one moment: a running sandbox stands still for it, some tens of milliseconds and more with what was written in it, and calls on it wait. Whatever an answer has acknowledged before is in it. **Processes and their memory are not**: sandboxes that are made of it start anew with these files, so let a database write its data out first. Nor is what lies on mounts. If the client leaves before the answer, or it fails, nothing is left behind. It outlives its sandbox.',
  params: SandboxParams,
  body: Ref(SnapshotCreate),
  bodyOptional: true,
  requestExamples: {
    nameless: {},
    named: { name: 'before-upgrade', metadata: { team: 'search' }, track_changes: true },
  },
  answer: Ref(SnapshotInfo),
  answerExamples: { ready: SNAPSHOT },
  errors: [
    'SANDBOX_NOT_FOUND',
    'SANDBOX_STATE_CONFLICT',
    'NAME_TAKEN',
    'SNAPSHOT_LIMIT_REACHED',
    'ENGINE_UNAVAILABLE',
    'ENGINE_TIMEOUT',
    'DISK_FULL',
  ],
})

const listSnapshots = operation({
  operationId: 'listSnapshots',
  tag: 'snapshots',
  summary: 'List snapshots',
  description:
    'All snapshots of this server that match every filter given. A filter that is empty or malformed is an error: it never means "all".',
  querystring: SnapshotListQuery,
  answer: Ref(SnapshotList),
  answerExamples: { page: { snapshots: [SNAPSHOT], next_cursor: null }, none: { snapshots: [], next_cursor: null } },
  errors: [],
})

const getSnapshot = operation({
  operationId: 'getSnapshot',
  tag: 'snapshots',
  summary: 'Look at a snapshot',
  description: 'By its id or its name.',
  params: SnapshotParams,
  answer: Ref(SnapshotInfo),
  answerExamples: { ready: SNAPSHOT, lost: { ...SNAPSHOT, status: 'lost' } },
  errors: ['SNAPSHOT_NOT_FOUND'],
})

const deleteSnapshot = operation({
  operationId: 'deleteSnapshot',
  tag: 'snapshots',
  summary: 'Delete a snapshot',
  description:
    'By its id or its name. It is gone for every caller when this answers. Sandboxes that were made of it live on, and its files stay on the disk until the last of them is deleted.',
  params: SnapshotParams,
  answer: Ref(SnapshotDeleted),
  answerExamples: { deleted: { snapshot_id: SNAPSHOT.snapshot_id, status: 'deleted' } },
  errors: ['SNAPSHOT_NOT_FOUND', 'DISK_FULL'],
})

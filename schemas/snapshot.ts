import { metadata, Timestamp } from './common.ts'
import { Resources, SandboxCreate, SandboxInfo } from './sandbox.ts'
import { Nullable, Ref, type Static, StringEnum, Type } from './typebox.ts'

const NAME = '^[a-z0-9][a-z0-9_.-]{0,62}$'
const STATUSES = ['ready', 'lost'] as const
const KINDS = ['added', 'modified', 'deleted'] as const
const FILE_TYPES = ['file', 'directory', 'symlink', 'fifo', 'socket', 'char_device', 'block_device'] as const

/** An id has the form of a name, too. */
export const SnapshotKey = Type.String({
  pattern: NAME,
  description: 'Id or name of a snapshot.',
  examples: ['9d3h5k7m2p4r6t8v1x0z'],
  'x-error': 'SNAPSHOT_NOT_FOUND',
})

export const SnapshotCreate = Type.Object(
  {
    name: Type.Optional(
      Type.String({
        pattern: NAME,
        description:
          'A name of your own, unique among the snapshots of this server: a-z, 0-9, `_`, `.`, `-`, at most 63 characters. 409 when it is taken.',
      }),
    ),
    metadata: Type.Optional(metadata("The caller's own labels, to find the snapshot by.")),
    track_changes: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          'Keep the list of what had changed, so that `GET /sandboxes/{id}/changes?since=` works with it. It takes the engine as long as two calls of that: seconds where the image has many files.',
      }),
    ),
  },
  { $id: 'SnapshotCreate', additionalProperties: false, description: 'What to call it. All of it may be left out.' },
)
export type SnapshotCreate = Static<typeof SnapshotCreate>

const KEPT = ['files'] as const
const NOT_KEPT = ['processes', 'memory', 'mounts'] as const

export const SnapshotInfo = Type.Object(
  {
    snapshot_id: Type.String({ description: 'Id of the snapshot: 20 characters of a-z and 0-9.' }),
    name: Nullable(Type.String(), { description: "The caller's name for it, null when it has none." }),
    status: StringEnum(STATUSES, {
      description:
        '`ready`: sandboxes can be made of it. `lost`: its image was removed from the engine outside of the API; delete it.',
    }),
    metadata: Type.Unsafe<Record<string, string>>({
      type: 'object',
      additionalProperties: { type: 'string' },
      description: "The caller's own labels.",
    }),
    sandbox_id: Type.String({ description: 'The sandbox it was made of, which may be gone.' }),
    template: Type.String({ description: "That sandbox's image, as it was asked for." }),
    cwd: Type.String({ description: 'Where sandboxes that are made of it begin, unless they are told otherwise.' }),
    user: Type.String({ description: 'Who runs commands and code in them, unless they are told otherwise.' }),
    resources: Ref(Resources),
    network: StringEnum(['internet', 'none'], { description: 'What they can reach, unless they are told otherwise.' }),
    size_bytes: Type.Integer({
      description:
        'What it adds on the disk: all that was written in its sandbox and is still there. 0 where that is not known.',
    }),
    tracks_changes: Type.Boolean({
      description: 'It can be told what changed since: it was made with `track_changes`, and there was not too much.',
    }),
    created_at: Timestamp('When it was made.'),
    kept: Type.Array(StringEnum(KEPT), {
      description: 'What is in it: all files of the sandbox, with owners, modes and times.',
    }),
    not_kept: Type.Array(StringEnum(NOT_KEPT), {
      description:
        'What is not: processes, what they had in memory, and what lies on mounts (`/dev/shm`, paths that the image declares as volumes, named volumes).',
    }),
  },
  { $id: 'SnapshotInfo', description: 'A snapshot of the files of a sandbox.' },
)
export type SnapshotInfo = Static<typeof SnapshotInfo>

export const SnapshotList = Type.Object(
  {
    snapshots: Type.Array(Ref(SnapshotInfo), { description: 'Oldest first.' }),
    next_cursor: Nullable(Type.String(), {
      description: 'Give it as `cursor` for the next page; null on the last one.',
    }),
  },
  { $id: 'SnapshotList', description: 'One page of snapshots.' },
)

export const SnapshotListQuery = Type.Object(
  {
    status: Type.Optional(StringEnum(STATUSES, { description: 'Only snapshots of this status.' })),
    name: Type.Optional(Type.String({ pattern: NAME, description: 'Only the snapshot of this name.' })),
    sandbox_id: Type.Optional(
      Type.String({ pattern: '^[a-z0-9]{20}$', description: 'Only snapshots of this sandbox.' }),
    ),
    metadata: Type.Optional(
      Type.Array(Type.String({ pattern: '^[^=\\u0000]{1,128}=[\\s\\S]*$', maxLength: 1200 }), {
        maxItems: 64,
        description:
          'Only snapshots with this label, as `key=value` (the first `=` splits). Repeat it for more labels: all must match.',
      }),
    ),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, default: 1000, description: 'Most snapshots in one answer.' }),
    ),
    cursor: Type.Optional(
      Type.String({ minLength: 1, maxLength: 512, description: '`next_cursor` of the page before.' }),
    ),
  },
  { additionalProperties: false },
)
export type SnapshotListQuery = Static<typeof SnapshotListQuery>

export const SnapshotDeleted = Type.Object(
  {
    snapshot_id: Type.String({ description: 'Its id.' }),
    status: StringEnum(['deleted'], { description: 'Always `deleted`.' }),
  },
  { $id: 'SnapshotDeleted', description: 'The snapshot is gone.' },
)

const { template, snapshot, get_or_create, ...ownMembers } = SandboxCreate.properties

export const SandboxFork = Type.Object(
  {
    count: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 64, default: 1, description: 'How many copies. All are made, or none.' }),
    ),
    ...ownMembers,
  },
  {
    $id: 'SandboxFork',
    additionalProperties: false,
    description:
      'How the copies differ from their sandbox; what is absent they have as it has. `envs` and `resources` are laid over its own. A `name` is for one copy only.',
  },
)
export type SandboxFork = Static<typeof SandboxFork>

export const SandboxForks = Type.Object(
  { sandboxes: Type.Array(Ref(SandboxInfo), { description: 'The copies, all running.' }) },
  { $id: 'SandboxForks', description: 'Copies of a sandbox.' },
)

export const FileChange = Type.Object(
  {
    path: Type.String({ description: 'Absolute.' }),
    kind: StringEnum(KINDS, {
      description: '`added`, `modified` (content, owner, mode or time; of a folder also what is in it), `deleted`.',
    }),
    type: Type.Unsafe<(typeof FILE_TYPES)[number] | null>({
      anyOf: [{ type: 'string', enum: [...FILE_TYPES] }, { type: 'null' }],
      description: 'What it is. null: deleted, or the sandbox does not run.',
    }),
    size: Nullable(Type.Integer(), { description: 'Bytes of a file. null: not a file, or not known.' }),
  },
  { $id: 'FileChange', description: 'A difference.' },
)

export const FileChanges = Type.Object(
  {
    changes: Type.Array(Ref(FileChange), { description: 'By path.' }),
    next_cursor: Nullable(Type.String(), {
      description: 'Give it as `cursor` for the next page; null on the last one.',
    }),
  },
  { $id: 'FileChanges', description: 'One page of differences.' },
)

export const ChangesQuery = Type.Object(
  {
    since: Type.Optional(
      Type.String({
        pattern: NAME,
        description:
          'Id or name of a snapshot of this sandbox that was made with `track_changes`. Absent: since what the sandbox was made of.',
      }),
    ),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Most differences in one answer.' }),
    ),
    cursor: Type.Optional(
      Type.String({ minLength: 1, maxLength: 6000, description: '`next_cursor` of the page before.' }),
    ),
  },
  { additionalProperties: false },
)

import { metadata, SandboxId, Timestamp } from './common.ts'
import { Nullable, Ref, type Static, StringEnum, Type } from './typebox.ts'

export const VOLUME_NAME = '^[a-z0-9][a-z0-9_.-]{0,62}$'

const sizeMb =
  'MiB that its files may take. It is measured every five minutes, not enforced: above it no sandbox gets it for writing until it is below, and those that have it go on.'

export const VolumeCreate = Type.Object(
  {
    name: Type.String({
      pattern: VOLUME_NAME,
      description: 'Unique on this server: a-z, 0-9, `_`, `.`, `-`, at most 63 characters.',
    }),
    size_mb: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_073_741_824, description: `${sizeMb} Absent: no limit.` }),
    ),
    labels: Type.Optional(metadata("The caller's own labels.")),
  },
  { $id: 'VolumeCreate', additionalProperties: false, description: 'A volume to make.' },
)
export type VolumeCreate = Static<typeof VolumeCreate>

export const VolumeInfo = Type.Object(
  {
    name: Type.String({ description: 'Its name.' }),
    status: StringEnum(['ready', 'missing'], {
      description: '`missing`: it was removed outside of the API; its files are lost.',
    }),
    size_mb: Nullable(Type.Integer(), { description: `${sizeMb} null: no limit.` }),
    used_bytes: Nullable(Type.Integer(), {
      description:
        'What its files took when it was measured last; null where nothing was measured, as without `size_mb`.',
    }),
    measured_at: Nullable(Timestamp('When that was.')),
    labels: Type.Unsafe<Record<string, string>>({
      type: 'object',
      additionalProperties: { type: 'string' },
      description: "The caller's own labels.",
    }),
    created_at: Timestamp('When it was made.'),
    used_by: Type.Array(SandboxId, { description: 'Sandboxes that have it, running or not.' }),
  },
  { $id: 'VolumeInfo', description: 'A place for files that outlives sandboxes.' },
)
export type VolumeInfo = Static<typeof VolumeInfo>

export const VolumeList = Type.Object(
  { volumes: Type.Array(Ref(VolumeInfo), { description: 'All, oldest first.' }) },
  { $id: 'VolumeList', description: 'Volumes.' },
)
export type VolumeList = Static<typeof VolumeList>

export const VolumeParams = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 63, description: 'Name of a volume.', examples: ['models'] }),
})

export const VolumeDeleted = Type.Object(
  {
    name: Type.String({ description: 'Its name.' }),
    status: StringEnum(['deleted'], { description: 'Always `deleted`.' }),
  },
  { $id: 'VolumeDeleted', description: 'The volume is gone with all in it.' },
)

export const VolumeMount = Type.Object(
  {
    name: Type.String({ pattern: VOLUME_NAME, description: 'Name of a volume.' }),
    path: Type.String({
      pattern: '^/[^\\u0000-\\u001f]{1,254}$',
      'x-max-bytes': 255,
      description:
        'Where it is in the sandbox: a plain absolute path, made when missing. Not `/`, and nothing in `/proc`, `/sys`, `/dev`, `/etc` or `/.k2`; no volume lies in another.',
    }),
    read_only: Type.Optional(Type.Boolean({ description: 'Default false.' })),
  },
  { $id: 'VolumeMount', additionalProperties: false, description: 'A volume, and where it is in the sandbox.' },
)
export type VolumeMount = Static<typeof VolumeMount>

export const MountedVolume = Type.Object(
  {
    name: Type.String({ description: 'Name of the volume.' }),
    path: Type.String({ description: 'Where it is.' }),
    read_only: Type.Boolean({ description: 'Nobody in the sandbox can write to it.' }),
  },
  { $id: 'MountedVolume', description: 'A volume that a sandbox has.' },
)

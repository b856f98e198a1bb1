import { cwd, envs, metadata, SandboxId, Timestamp, user } from './common.ts'
import { EgressList } from './egress.ts'
import { Nullable, NullableRef, Ref, type Static, StringEnum, Type } from './typebox.ts'
import { MountedVolume, VolumeMount } from './volume.ts'

/** A year: longer is a mistake in the unit. The server's own limit is lower or equal. */
const MAX_TIMEOUT_SECONDS = 31_536_000

const timeoutSeconds = (description: string) => Type.Integer({ minimum: 0, maximum: MAX_TIMEOUT_SECONDS, description })

const NAME = '^[a-z0-9][a-z0-9_.-]{0,62}$'

const onTimeout = (more: string) =>
  StringEnum(['delete', 'stop', 'pause'], {
    description: `What happens when \`timeout\` runs out. \`stop\` keeps the disk; \`pause\` keeps disk, memory and processes, which stand still. ${more}`,
  })

const autoResume = (more: string) =>
  Type.Boolean({
    description: `Whether the use of the sandbox wakes it when it is paused or stopped, instead of being refused with 409. Reading files of a stopped one needs no waking. ${more}`,
  })

export const ResourcesRequest = Type.Object(
  {
    cpus: Type.Optional(
      Type.Number({
        minimum: 0.05,
        maximum: 1024,
        description: 'Cores, fractions allowed. Default K2_DEFAULT_CPUS, limit K2_MAX_CPUS.',
      }),
    ),
    memory_mb: Type.Optional(
      Type.Integer({
        minimum: 128,
        maximum: 16_777_216,
        description: 'Memory in MiB, swap included. Default K2_DEFAULT_MEMORY_MB, limit K2_MAX_MEMORY_MB.',
      }),
    ),
    pids: Type.Optional(
      Type.Integer({
        minimum: 96,
        maximum: 4_194_304,
        description:
          "Processes and threads, the agent's own (about 40) included. Default K2_DEFAULT_PIDS, limit K2_MAX_PIDS.",
      }),
    ),
    disk_mb: Type.Optional(
      Type.Integer({
        minimum: 64,
        maximum: 1_073_741_824,
        description:
          'What may be written, in MiB. Enforced where the engine can. Default K2_DEFAULT_DISK_MB, limit K2_MAX_DISK_MB.',
      }),
    ),
  },
  {
    $id: 'ResourcesRequest',
    additionalProperties: false,
    description: 'Limits of the sandbox; what is absent gets the default.',
  },
)
export type ResourcesRequest = Static<typeof ResourcesRequest>

export const SandboxCreate = Type.Object(
  {
    template: Type.Optional(
      Type.String({
        maxLength: 255,
        pattern: '^[^\\u0000-\\u0020]*$',
        description:
          'Name of a template, else an image: `web`, `python:3.13`, `registry.example/team/image:tag`. Empty or absent: the default one (K2_DEFAULT_TEMPLATE).',
      }),
    ),
    snapshot: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 63,
        pattern: '^[a-z0-9_.-]+$',
        description:
          "Id or name of a snapshot to begin as, instead of a `template`. `cwd`, `user` and `network` that are absent are those of the snapshot's sandbox; `envs` and `resources` are laid over its own.",
      }),
    ),
    cwd: Type.Optional(
      cwd(
        "Folder that commands and code start in, made when missing. Empty or absent: the image's own, else the user's home.",
      ),
    ),
    envs: Type.Optional(envs("Environment of every command and run, on top of the image's.")),
    timeout: Type.Optional(
      timeoutSeconds(
        'Seconds without any use after which the sandbox ends (see `on_timeout`). 0 or absent: the default (K2_DEFAULT_TIMEOUT, 300).',
      ),
    ),
    metadata: Type.Optional(metadata()),
    user: Type.Optional(
      user(
        "Who commands and code run as and who owns what is written. Absent: the image's own user, else `user` (1000).",
      ),
    ),
    resources: Type.Optional(Ref(ResourcesRequest)),
    prestart: Type.Optional(
      Type.Array(Type.String({ maxLength: 64 }), {
        maxItems: 8,
        description:
          'Languages whose own contexts start at once, so that their first code does not wait for an interpreter: `python`, `javascript`, `typescript`, `bash`. The answer does not wait for them.',
      }),
    ),
    network: Type.Optional(
      StringEnum(['internet', 'none'], {
        description:
          '`internet`: outgoing connections; `none`: loopback only. Default `internet`, with `egress` `none`.',
      }),
    ),
    egress: Type.Optional(Ref(EgressList)),
    on_timeout: Type.Optional(onTimeout('Default `delete`.')),
    auto_resume: Type.Optional(autoResume('Default false.')),
    max_lifetime: Type.Optional(
      timeoutSeconds(
        'Seconds from its creation after which it is deleted, used or not, in every state. 0 or absent: no end (or K2_MAX_LIFETIME, which is also the limit).',
      ),
    ),
    volumes: Type.Optional(
      Type.Array(Ref(VolumeMount), {
        maxItems: 8,
        description: 'Volumes that it is made with. Several sandboxes may have the same.',
      }),
    ),
    name: Type.Optional(
      Type.String({
        pattern: NAME,
        description:
          'A name of your own, unique on this server: a-z, 0-9, `_`, `.`, `-`, at most 63 characters. 409 when it is taken.',
      }),
    ),
    get_or_create: Type.Optional(
      Type.Boolean({
        description:
          'Where a sandbox of this `name` exists it is the answer, started or resumed if it was not running; the other members of the request do not count then. See `created` of the answer.',
      }),
    ),
  },
  { $id: 'SandboxCreate', description: 'What to make. Everything has a default; null is the same as absent.' },
)
export type SandboxCreate = Static<typeof SandboxCreate>

export const Resources = Type.Object(
  {
    cpus: Type.Number({ description: 'Cores.' }),
    memory_mb: Type.Integer({ description: 'Memory in MiB, swap included.' }),
    pids: Type.Integer({ description: 'Processes and threads.' }),
    disk_mb: Nullable(Type.Integer(), { description: 'What may be written, in MiB; null: no limit.' }),
  },
  { $id: 'Resources', description: 'Limits of the sandbox.' },
)
export type Resources = Static<typeof Resources>

export const SandboxOrigin = Type.Object(
  {
    sandbox_id: Type.String({ description: 'The sandbox it is a copy of, which may be gone.' }),
    snapshot_id: Nullable(Type.String(), {
      description: 'The snapshot it was made of; null: it was forked from the sandbox itself.',
    }),
  },
  { $id: 'SandboxOrigin', description: 'What a sandbox was copied from.' },
)
export type SandboxOrigin = Static<typeof SandboxOrigin>

/** Members that a sandbox has in every answer. */
const sandboxMembers = {
  name: Nullable(Type.String(), { description: "The caller's name for it, null when it has none." }),
  reason: Nullable(Type.String(), { description: 'Why the status is what it is, when there is something to say.' }),
  template: Type.String({ description: 'The image, as it was asked for.' }),
  cwd: Type.String({ description: 'Folder that commands and code start in.' }),
  user: Type.String({ description: 'Who commands and code run as.' }),
  timeout: Type.Integer({ description: 'Seconds without any use after which it ends.' }),
  created_at: Timestamp('When it was made.'),
  expires_at: Nullable(
    Timestamp(
      'When its `timeout` or its `max_lifetime` ends it, whichever comes first, as things stand. The `timeout` does not run while a call is running, and not of a paused or stopped one. null: neither ends it.',
    ),
  ),
  metadata: Type.Unsafe<Record<string, string>>({
    type: 'object',
    additionalProperties: { type: 'string' },
    description: "The caller's own labels.",
  }),
  resources: Ref(Resources),
  network: StringEnum(['internet', 'none'], { description: 'What it can reach.' }),
  volumes: Type.Array(Ref(MountedVolume), { description: 'Volumes that it was made with.' }),
  on_timeout: StringEnum(['delete', 'stop', 'pause'], { description: 'What happens when `timeout` runs out.' }),
  auto_resume: Type.Boolean({ description: 'Its use wakes it when it is paused or stopped.' }),
  max_lifetime: Nullable(Type.Integer(), {
    description: 'Seconds from its creation after which it is deleted, used or not; null: no end.',
  }),
  warm: Type.Boolean({ description: 'It was ready before it was asked for: it came from a pool.' }),
  origin: NullableRef(SandboxOrigin),
}

export const SANDBOX_STATUSES = ['creating', 'running', 'paused', 'stopped', 'failed'] as const

const STATUS_DESCRIPTION =
  'What it is doing. `stopped`: no process, the disk is kept. `paused`: its processes stand still until it is resumed. `failed`: see `reason`.'

export const SandboxInfo = Type.Object(
  {
    sandbox_id: SandboxId,
    status: StringEnum(SANDBOX_STATUSES, { description: STATUS_DESCRIPTION }),
    ...sandboxMembers,
  },
  { $id: 'SandboxInfo', description: 'A sandbox in a list.' },
)
export type SandboxInfo = Static<typeof SandboxInfo>

export const SandboxResponse = Type.Object(
  {
    sandbox_id: SandboxId,
    status: StringEnum([...SANDBOX_STATUSES, 'killed'], {
      description: `${STATUS_DESCRIPTION} \`killed\`: answer of the kill action only.`,
    }),
    ...sandboxMembers,
  },
  { $id: 'SandboxResponse', description: 'A sandbox.' },
)
export type SandboxResponse = Static<typeof SandboxResponse>

export const SandboxCreated = Type.Object(
  {
    sandbox_id: SandboxId,
    status: StringEnum(SANDBOX_STATUSES, { description: STATUS_DESCRIPTION }),
    ...sandboxMembers,
    created: Type.Boolean({ description: 'Made by this call; false: it was there already (`get_or_create`).' }),
  },
  { $id: 'SandboxCreated', description: 'The sandbox of a create.' },
)
export type SandboxCreated = Static<typeof SandboxCreated>

export const SandboxUpdate = Type.Object(
  {
    metadata: Type.Optional(metadata('All of them, in place of those that it has.')),
    timeout: Type.Optional(
      timeoutSeconds('Seconds without any use after which it ends. 0: the default (K2_DEFAULT_TIMEOUT).'),
    ),
    on_timeout: Type.Optional(onTimeout('')),
    auto_resume: Type.Optional(autoResume('')),
    max_lifetime: Type.Optional(
      timeoutSeconds(
        'Seconds from its creation after which it is deleted. 0: no end (or K2_MAX_LIFETIME, which is also the limit).',
      ),
    ),
    resources: Type.Optional(Ref(ResourcesRequest)),
    network: Type.Optional(
      StringEnum(['internet', 'none'], {
        description: 'At once: with `none` its open connections end. `internet` takes an allow-list (`egress`) away.',
      }),
    ),
  },
  {
    $id: 'SandboxUpdate',
    minProperties: 1,
    additionalProperties: false,
    description: 'What changes; what is absent stays. `resources.disk_mb` can not change.',
  },
)
export type SandboxUpdate = Static<typeof SandboxUpdate>

export const SandboxGetQuery = Type.Object(
  {
    wait: Type.Optional(
      Type.Array(StringEnum(SANDBOX_STATUSES, { description: 'A status.' }), {
        maxItems: 5,
        description:
          'Answer as soon as it has this status (repeat it for more), or has failed, or `timeout` is over: see `status`.',
      }),
    ),
    timeout: Type.Optional(
      Type.Number({ minimum: 0, maximum: 300, default: 30, description: 'Longest wait for `wait`, in seconds.' }),
    ),
  },
  { additionalProperties: false },
)

export const SandboxList = Type.Object(
  {
    sandboxes: Type.Array(Ref(SandboxInfo), { description: 'Oldest first, running or not.' }),
    next_cursor: Nullable(Type.String(), {
      description: 'Give it as `cursor` for the next page; null on the last one.',
    }),
  },
  { $id: 'SandboxList', description: 'One page of sandboxes.' },
)
export type SandboxList = Static<typeof SandboxList>

export const SandboxListQuery = Type.Object(
  {
    status: Type.Optional(StringEnum(SANDBOX_STATUSES, { description: 'Only sandboxes of this status.' })),
    template: Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, description: 'Only sandboxes of this image, as it was asked for.' }),
    ),
    name: Type.Optional(Type.String({ pattern: NAME, description: 'Only the sandbox of this name.' })),
    metadata: Type.Optional(
      Type.Array(Type.String({ pattern: '^[^=\\u0000]{1,128}=[\\s\\S]*$', maxLength: 1200 }), {
        maxItems: 64,
        description:
          'Only sandboxes with this label, as `key=value` (the first `=` splits). Repeat it for more labels: all must match.',
      }),
    ),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, default: 1000, description: 'Most sandboxes in one answer.' }),
    ),
    cursor: Type.Optional(
      Type.String({ minLength: 1, maxLength: 512, description: '`next_cursor` of the page before.' }),
    ),
  },
  { additionalProperties: false },
)
export type SandboxListQuery = Static<typeof SandboxListQuery>

export const SandboxAction = Type.Object(
  {
    action: StringEnum(['start', 'stop', 'kill', 'restart', 'pause', 'resume', 'set_timeout'], {
      description:
        '`start` starts a stopped sandbox and resumes a paused one, `resume` is the same; `pause` lets its processes stand still and keeps memory and disk, and calls under way end with 409; `stop` ends its processes and keeps its disk; `restart` is both; `kill` removes it with its disk, as DELETE does; `set_timeout` gives it a new `timeout`.',
      'x-error': 'UNSUPPORTED_ACTION',
    }),
    timeout: Type.Optional(
      timeoutSeconds(
        'For `set_timeout`, and required by it: seconds without any use after which the sandbox ends. 0: the default (K2_DEFAULT_TIMEOUT).',
      ),
    ),
  },
  { $id: 'SandboxAction', description: 'What to do with the sandbox.' },
)
export type SandboxAction = Static<typeof SandboxAction>

export const DeleteResponse = Type.Object(
  {
    sandbox_id: SandboxId,
    status: StringEnum(['deleted'], { description: 'Always `deleted`.' }),
  },
  { $id: 'DeleteResponse', description: 'The sandbox is gone with all it wrote.' },
)
export type DeleteResponse = Static<typeof DeleteResponse>

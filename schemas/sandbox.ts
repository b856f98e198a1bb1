import { cwd, envs, metadata, SandboxId, Timestamp, user } from './common.ts'
import { Nullable, Ref, type Static, StringEnum, Type } from './typebox.ts'

/** A year: longer is a mistake in the unit. The server's own limit is lower or equal. */
const MAX_TIMEOUT_SECONDS = 31_536_000

const timeoutSeconds = (description: string) => Type.Integer({ minimum: 0, maximum: MAX_TIMEOUT_SECONDS, description })

const NAME = '^[a-z0-9][a-z0-9_.-]{0,62}$'

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
          'Image to run: `python:3.13`, `registry.example/team/image:tag`. Empty or absent: the default image (K2_DEFAULT_TEMPLATE).',
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
        description: '`internet`: outgoing connections; `none`: loopback only. Default `internet`.',
      }),
    ),
    on_timeout: Type.Optional(
      StringEnum(['delete', 'stop'], {
        description: 'What happens when `timeout` runs out. `stop` keeps the disk. Default `delete`.',
      }),
    ),
    name: Type.Optional(
      Type.String({
        pattern: NAME,
        description:
          'A name of your own, unique on this server: a-z, 0-9, `_`, `.`, `-`, at most 63 characters. 409 when it is taken.',
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
      'When it ends if nobody uses it, as things stand; null while a call is running, and of a stopped one, which is kept.',
    ),
  ),
  metadata: Type.Unsafe<Record<string, string>>({
    type: 'object',
    additionalProperties: { type: 'string' },
    description: "The caller's own labels.",
  }),
  resources: Ref(Resources),
  network: StringEnum(['internet', 'none'], { description: 'What it can reach.' }),
  on_timeout: StringEnum(['delete', 'stop'], { description: 'What happens when `timeout` runs out.' }),
}

export const SANDBOX_STATUSES = ['creating', 'running', 'paused', 'stopped', 'failed'] as const

const STATUS_DESCRIPTION =
  'What it is doing. `stopped`: no process, the disk is kept. `paused`: frozen from outside of the API; `start` wakes it. `failed`: see `reason`.'

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
    action: StringEnum(['start', 'stop', 'kill', 'restart', 'set_timeout'], {
      description:
        '`start` wakes a stopped sandbox; `stop` ends its processes and keeps its disk; `restart` is both; `kill` removes it with its disk, as DELETE does; `set_timeout` gives it a new `timeout`.',
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

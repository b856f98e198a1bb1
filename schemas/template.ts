import { cwd, envs, Timestamp, user } from './common.ts'
import { Problem } from './problem.ts'
import { ResourcesRequest } from './sandbox.ts'
import { Nullable, NullableRef, Ref, type Static, StringEnum, Type } from './typebox.ts'

const NAME = '^[a-z0-9][a-z0-9_.-]{0,62}$'
const REFERENCE = '^[^\\u0000-\\u0020]+$'
const NO_NUL = '^[^\\u0000]*$'

export const TemplateReady = Type.Object(
  {
    command: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 8192,
        pattern: NO_NUL,
        description: 'Shell text that exits with 0 when all is up.',
      }),
    ),
    port: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 65535, description: 'Something listens on it, instead of a `command`.' }),
    ),
    timeout: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 600,
        default: 30,
        description: 'Seconds after which the create fails with what was printed until then.',
      }),
    ),
  },
  {
    $id: 'TemplateReady',
    additionalProperties: false,
    description:
      'How it is known that what a sandbox starts with is up: a command or a port. The create answers then. `{}`: nothing is waited for.',
  },
)

export const TemplateDefaults = Type.Object(
  {
    resources: Type.Optional(Ref(ResourcesRequest)),
    timeout: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 31_536_000, description: 'Seconds without any use after which it ends.' }),
    ),
    on_timeout: Type.Optional(
      StringEnum(['delete', 'stop', 'pause'], { description: 'What happens when `timeout` runs out.' }),
    ),
    auto_resume: Type.Optional(Type.Boolean({ description: 'Its use wakes it when it is paused or stopped.' })),
    envs: Type.Optional(envs("Environment of every command and run, on top of the image's.")),
    cwd: Type.Optional(cwd('Folder that commands and code start in, made when missing.')),
    user: Type.Optional(user('Who commands and code run as.')),
    network: Type.Optional(StringEnum(['internet', 'none'], { description: 'What it can reach.' })),
    prestart: Type.Optional(
      Type.Array(Type.String({ maxLength: 64 }), {
        maxItems: 8,
        description: 'Languages whose own contexts start at once: `python`, `javascript`, …',
      }),
    ),
  },
  {
    $id: 'TemplateDefaults',
    additionalProperties: false,
    description:
      'What a create gets that does not say otherwise: `envs` and `resources` are joined one by one. What is absent is the default of the server.',
  },
)
export type TemplateDefaults = Static<typeof TemplateDefaults>

export const TemplateFile = Type.Object(
  {
    path: Type.String({
      minLength: 1,
      'x-max-bytes': 4096,
      pattern: '^(?!/)(?!.*(^|/)\\.\\.(/|$))[^\\u0000]+$',
      description: 'As COPY names it: relative, without `..`.',
    }),
    content: Type.String({ description: 'In `encoding`.' }),
    encoding: Type.Optional(StringEnum(['utf-8', 'base64'], { description: 'Of `content`. Default `utf-8`.' })),
    mode: Type.Optional(Type.String({ pattern: '^[0-7]{3,4}$', description: 'Octal, as `0755`. Default `0644`.' })),
  },
  { $id: 'TemplateFile', additionalProperties: false, description: 'A file for COPY.' },
)

export const TemplateStep = Type.Object(
  {
    run: Type.Optional(
      Type.String({ minLength: 1, pattern: NO_NUL, description: 'Shell text, or a script that begins with `#!`.' }),
    ),
    copy: Type.Optional(
      Type.Object(
        {
          from: Type.Array(Type.String({ maxLength: 4096, pattern: NO_NUL }), {
            minItems: 1,
            maxItems: 256,
            description: 'Paths, folders or patterns among `files`.',
          }),
          to: Type.String({
            minLength: 1,
            maxLength: 4096,
            pattern: NO_NUL,
            description: 'Where to; a folder ends with `/`.',
          }),
          owner: Type.Optional(user('Whose they become. Absent: root.')),
          mode: Type.Optional(
            Type.String({ pattern: '^[0-7]{3,4}$', description: 'Octal. Absent: that of each file.' }),
          ),
        },
        { additionalProperties: false, description: 'Files that were sent with the build.' },
      ),
    ),
    env: Type.Optional(envs('For later steps and for the sandboxes.')),
    workdir: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 4096,
        pattern: NO_NUL,
        description: 'Folder of later steps and of the sandboxes.',
      }),
    ),
    user: Type.Optional(user('Who later steps and the sandboxes run as.')),
  },
  {
    $id: 'TemplateStep',
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
    description: 'One step of a build: one of its members. Texts are taken as they are, without variables.',
  },
)
export type TemplateStep = Static<typeof TemplateStep>

export const BuildOptions = Type.Object(
  {
    network: Type.Optional(
      StringEnum(['internet', 'none'], { description: 'What its steps can reach. Default `internet`.' }),
    ),
    timeout: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 86_400,
        description: 'Seconds that it may take. Default and limit K2_BUILD_TIMEOUT.',
      }),
    ),
    resources: Type.Optional(Ref(ResourcesRequest)),
  },
  { $id: 'BuildOptions', additionalProperties: false, description: 'What the build itself may use.' },
)

const settings = {
  description: Type.Optional(Type.String({ maxLength: 1024, description: 'For people.' })),
  defaults: Type.Optional(Ref(TemplateDefaults)),
  pool_size: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 100,
      description: 'How many of its sandboxes wait ready, in the pool of the same name.',
    }),
  ),
  start_command: Type.Optional(
    Type.String({
      maxLength: 8192,
      pattern: NO_NUL,
      description:
        'Shell text that runs in each of its sandboxes from each start on, as the process `start-command`. Empty: none, also where the Dockerfile has a CMD.',
    }),
  ),
}

const source = {
  dockerfile: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 262_144,
      pattern: NO_NUL,
      description:
        'A Dockerfile of one stage: FROM, RUN, COPY, ENV, ARG, WORKDIR, USER, CMD and ENTRYPOINT (the start command), EXPOSE and LABEL (kept). All other is refused with its line.',
    }),
  ),
  from: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      pattern: REFERENCE,
      description: 'Image or template that `steps` begin with.',
    }),
  ),
  steps: Type.Optional(Type.Array(Ref(TemplateStep), { maxItems: 200, description: 'Instead of a `dockerfile`.' })),
  files: Type.Optional(
    Type.Array(Ref(TemplateFile), {
      maxItems: 2000,
      description: 'For COPY; together at most K2_MAX_FILE_MB. Kept, so that the template can be built again.',
    }),
  ),
  build_args: Type.Optional(
    envs('Values for the ARGs of the Dockerfile. They are kept and can be seen in images: not for secrets.'),
  ),
  build: Type.Optional(Ref(BuildOptions)),
  no_cache: Type.Optional(
    Type.Boolean({ description: 'All steps are done, also those that were done before. Default false.' }),
  ),
}

export const TemplateCreate = Type.Object(
  {
    name: Type.String({
      pattern: NAME,
      description:
        'Its name: a-z, 0-9, `_`, `.`, `-`, at most 63 characters. A create that says it as `template` gets it, also where an image is called the same.',
    }),
    image: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 255,
        pattern: REFERENCE,
        description: 'An image as it is, without a build.',
      }),
    ),
    ...source,
    ...settings,
    ready: Type.Optional(Ref(TemplateReady)),
  },
  {
    $id: 'TemplateCreate',
    additionalProperties: false,
    description: 'One of `image`, `dockerfile`, or `from` with `steps`; and what its sandboxes begin with.',
  },
)
export type TemplateCreate = Static<typeof TemplateCreate>

export const TemplateUpdate = Type.Object(
  {
    ...settings,
    ready: Type.Optional(Ref(TemplateReady)),
  },
  {
    $id: 'TemplateUpdate',
    minProperties: 1,
    additionalProperties: false,
    description:
      'What changes for sandboxes that are made from now on; what is absent stays. `defaults` are replaced as a whole.',
  },
)
export type TemplateUpdate = Static<typeof TemplateUpdate>

export const TemplateRebuild = Type.Object(source, {
  $id: 'TemplateRebuild',
  additionalProperties: false,
  description: 'What is built from now on; what is absent is as before.',
})
export type TemplateRebuild = Static<typeof TemplateRebuild>

export const BuildFailure = Type.Object(
  {
    message: Type.String({ description: 'What happened, and what to do.' }),
    step: Nullable(Type.Integer(), { description: 'The step that failed, from 1; null: none did.' }),
    line: Nullable(Type.Integer(), { description: 'Its line in the Dockerfile.' }),
    text: Nullable(Type.String(), { description: 'The step as it was written.' }),
    exit_code: Nullable(Type.Integer(), { description: 'Of its command.' }),
    output: Nullable(Type.String(), { description: 'The last that it printed.' }),
  },
  { $id: 'BuildFailure', description: 'Why a build did not come to its end.' },
)

export const TemplateBuild = Type.Object(
  {
    build_id: Type.String({ description: 'Id of the build.' }),
    template: Type.String({ description: 'Name of its template.' }),
    status: StringEnum(['queued', 'building', 'ready', 'failed', 'cancelled'], { description: 'How it is.' }),
    step: Type.Integer({ description: 'The step that it is at, or was at last, from 1; 0: none yet.' }),
    steps: Type.Integer({ description: 'How many there are.' }),
    cached_steps: Type.Integer({ description: 'Steps that were done before and were not done again.' }),
    failure: NullableRef(BuildFailure),
    no_cache: Type.Boolean({ description: 'It was asked to do all steps.' }),
    created_at: Timestamp('When it was asked for.'),
    started_at: Nullable(Timestamp('When it began.')),
    finished_at: Nullable(Timestamp('When it was over.')),
  },
  { $id: 'TemplateBuild', description: 'A build of a template.' },
)
export type TemplateBuild = Static<typeof TemplateBuild>

export const TemplateInfo = Type.Object(
  {
    name: Type.String({ description: 'Its name.' }),
    description: Type.String({ description: 'For people.' }),
    status: StringEnum(['building', 'ready', 'failed', 'lost'], {
      description:
        '`ready`: sandboxes can be made, also while it is built anew; `building`: its first build is under way; `failed`: that has failed; `lost`: its image is gone from the engine.',
    }),
    reason: Nullable(Type.String(), { description: 'Why it is `failed` or `lost`.' }),
    from: Type.String({ description: 'What it is, or begins with, as it was named.' }),
    built: Type.Boolean({ description: 'It is built here; false: a name of an image.' }),
    build: NullableRef(TemplateBuild),
    defaults: Ref(TemplateDefaults),
    start_command: Nullable(Type.String(), { description: 'What each of its sandboxes starts.' }),
    ready: NullableRef(TemplateReady),
    pool_size: Type.Integer({ description: 'How many of its sandboxes should wait ready.' }),
    env: Type.Unsafe<Record<string, string>>({
      type: 'object',
      additionalProperties: { type: 'string' },
      description: "Of the image, with the build's; empty where nothing was built.",
    }),
    labels: Type.Unsafe<Record<string, string>>({
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'LABELs of its Dockerfile.',
    }),
    exposed_ports: Type.Array(Type.String(), {
      description: 'EXPOSEd in its Dockerfile. All ports can be reached, see ports.',
    }),
    size_bytes: Type.Integer({ description: 'What its files add to those of `from`.' }),
    created_at: Timestamp('When it was made.'),
    updated_at: Timestamp('When it was changed or built last.'),
  },
  { $id: 'TemplateInfo', description: 'A template.' },
)
export type TemplateInfo = Static<typeof TemplateInfo>

export const TemplateList = Type.Object(
  { templates: Type.Array(Ref(TemplateInfo), { description: 'All, oldest first.' }) },
  { $id: 'TemplateList', description: 'Templates.' },
)

export const TemplateBuildList = Type.Object(
  { builds: Type.Array(Ref(TemplateBuild), { description: 'The latest ten, latest first.' }) },
  { $id: 'TemplateBuildList', description: 'Builds of a template.' },
)

const kind = <const T extends string>(...types: T[]) => StringEnum(types, { description: 'What happened.' })
const Offset = Type.Integer({
  description: 'Where to go on after this event. As Server-Sent Events also the `id`.',
})
const Time = Type.Number({ description: 'When, in unix seconds.' })

export const BuildEvent = Type.Union(
  [
    Type.Object(
      {
        type: kind('step'),
        step: Type.Integer({ description: 'Which, from 1.' }),
        steps: Type.Integer({ description: 'Of how many.' }),
        line: Nullable(Type.Integer(), { description: 'Its line in the Dockerfile.' }),
        text: Type.String({ description: 'The step as it was written.' }),
        cached: Type.Boolean({ description: 'It was done before and is not done again.' }),
        timestamp: Time,
        offset: Offset,
      },
      { description: 'A step begins.' },
    ),
    Type.Object(
      {
        type: kind('stdout', 'stderr'),
        step: Type.Integer({ description: 'Of which step.' }),
        text: Type.String({ description: 'What it printed.' }),
        timestamp: Time,
        offset: Offset,
      },
      { description: 'A step printed something.' },
    ),
    Type.Object(
      {
        type: kind('note'),
        text: Type.String({ description: 'A sentence.' }),
        timestamp: Time,
        offset: Offset,
      },
      { description: 'Something that is good to know.' },
    ),
    Type.Object(
      { type: kind('dropped'), count: Type.Integer({ description: 'How many.' }), offset: Offset },
      { description: 'Events are missing here: the log keeps the latest K2_BUILD_LOG_KB.' },
    ),
    Type.Object(
      { type: kind('end'), build: Ref(TemplateBuild) },
      { description: 'Last: how the build is now that it is over.' },
    ),
    Type.Object(
      { type: kind('problem'), problem: Ref(Problem) },
      { description: 'Last, instead of `end`: why it can not go on. The build does; come back with `offset`.' },
    ),
    Type.Object(
      { type: kind('heartbeat') },
      { description: 'Nothing happened for 15 seconds. As Server-Sent Events a comment instead.' },
    ),
  ],
  {
    $id: 'BuildEvent',
    description:
      'Something that happened in a build. As NDJSON one a line; as Server-Sent Events the `data` of an event that is called by its `type`.',
  },
)
export type BuildEvent = Static<typeof BuildEvent>

export const BuildLogPage = Type.Object(
  {
    events: Type.Array(Ref(BuildEvent), { description: 'In order.' }),
    next_offset: Type.Integer({ description: 'Give it as `offset` for what comes then.' }),
    build: Ref(TemplateBuild),
  },
  { $id: 'BuildLogPage', description: 'What a build has said so far.' },
)

export const BuildLogQuery = Type.Object(
  {
    offset: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Only events after it. Default 0: all that are kept.',
      }),
    ),
  },
  { additionalProperties: false },
)

const TemplateName = Type.String({
  pattern: NAME,
  description: 'Name of the template.',
  'x-error': 'TEMPLATE_NOT_FOUND',
})

export const TemplateParams = Type.Object({ name: TemplateName })

export const BuildParams = Type.Object({
  name: TemplateName,
  build_id: Type.String({ pattern: '^[a-z0-9]{20}$', description: 'Id of the build.', 'x-error': 'BUILD_NOT_FOUND' }),
})

export const TemplateDeleted = Type.Object(
  {
    name: Type.String({ description: 'Its name.' }),
    status: StringEnum(['deleted'], { description: 'Always `deleted`.' }),
  },
  { $id: 'TemplateDeleted', description: 'The template is gone; its sandboxes are not.' },
)

export const BuildDeleted = Type.Object(
  {
    build_id: Type.String({ description: 'Its id.' }),
    status: StringEnum(['cancelled', 'deleted'], { description: '`cancelled`: it was under way.' }),
  },
  { $id: 'BuildDeleted', description: 'The build was ended, or is forgotten.' },
)

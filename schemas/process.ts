import { cwd, Encoding, envs, Timestamp, user } from './common.ts'
import { MAX_RUN_SECONDS, REASONS, Usage } from './execution.ts'
import { Nullable, NullableEnum, NullableRef, Ref, type Static, StringEnum, Type } from './typebox.ts'

const WITHOUT_NUL = '^[^\\u0000]*$'

const size = (what: string) =>
  Type.Integer({ minimum: 1, maximum: 1000, description: `${what} of the terminal, in characters.` })

export const TerminalSize = Type.Object(
  { cols: size('Width'), rows: size('Height') },
  { $id: 'TerminalSize', description: 'How large a terminal is.' },
)
export type TerminalSize = Static<typeof TerminalSize>

export const tag = () =>
  Type.String({
    pattern: '^[^\\u0000-\\u001f]*$',
    maxLength: 128,
    description: "The caller's own word for the process, to find it by. At most 128 characters, none of them control.",
  })

export const ProcessCreate = Type.Object(
  {
    command: Type.Optional(
      Type.String({
        pattern: WITHOUT_NUL,
        'x-max-bytes': 8_388_608,
        description:
          'A line (or script) for `sh -c`, at most 8 MiB, without NUL. Give either this or `argv`; with `pty` neither is needed: it is an interactive shell then.',
      }),
    ),
    argv: Type.Optional(
      Type.Array(Type.String({ pattern: WITHOUT_NUL, 'x-max-bytes': 131_071 }), {
        minItems: 1,
        maxItems: 1024,
        description: 'Program and arguments, run as they are, without a shell; the program is looked up in PATH.',
      }),
    ),
    cwd: Type.Optional(cwd("Folder to run in. Empty or absent: the sandbox's.")),
    envs: Type.Optional(envs("Environment on top of the sandbox's, for this process.")),
    user: Type.Optional(user("Who runs it. Absent: the sandbox's user.")),
    stdin: Type.Optional(
      Type.Boolean({
        description: 'It gets a standard input that can be written to; absent or false: its input is empty.',
      }),
    ),
    pty: Type.Optional({
      ...Ref(TerminalSize),
      description: 'It gets a terminal of this size: all its output is `stdout` then, and what is written is typed.',
    }),
    timeout: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: MAX_RUN_SECONDS,
        description: 'Seconds after which it and all it started are killed. 0 or absent: no limit.',
      }),
    ),
    tag: Type.Optional(tag()),
    keep_alive: Type.Optional(
      Type.Boolean({
        description: 'While it runs the sandbox counts as used, so that its `timeout` does not end it.',
      }),
    ),
    buffer_bytes: Type.Optional(
      Type.Integer({
        minimum: 4096,
        maximum: 16_777_216,
        description: 'How much of its latest output is kept, in bytes. Absent: 1 MiB.',
      }),
    ),
  },
  { $id: 'ProcessCreate', description: 'A process to start in the background.' },
)
export type ProcessCreate = Static<typeof ProcessCreate>

export const ProcessInfo = Type.Object(
  {
    process_id: Type.String({ description: 'Id of the process.' }),
    pid: Type.Integer({ description: 'Its number inside the sandbox.' }),
    command: Type.String({ description: 'What was started.' }),
    cwd: Type.String({ description: 'Folder it was started in.' }),
    user: Type.String({ description: 'Who runs it.' }),
    tag: Nullable(Type.String(), { description: "The caller's own word for it; null when there is none." }),
    keep_alive: Type.Boolean({ description: 'While it runs the sandbox counts as used.' }),
    pty: NullableRef(TerminalSize),
    context_id: Nullable(Type.String(), { description: 'Of a run of code: the context that it is in, else null.' }),
    state: StringEnum(['running', 'exited'], {
      description: 'Whether it runs. It has exited when its output is complete, too.',
    }),
    started_at: Timestamp('When it was started.'),
    ended_at: Nullable(Timestamp('When it ended; null while it runs.')),
    exit_code: Nullable(Type.Integer(), { description: 'As in a command answer; null while it runs.' }),
    signal: Nullable(Type.String(), { description: 'Name of the signal that ended it, else null.' }),
    reason: NullableEnum(REASONS, { description: 'How it ended; null while it runs.' }),
    usage: NullableRef(Usage),
    output_bytes: Type.Integer({ description: 'How much it has printed; also the offset of what it prints next.' }),
    dropped_bytes: Type.Integer({ description: 'How much of that was overwritten before anybody read it.' }),
  },
  { $id: 'ProcessInfo', description: 'A process that was started through this API.' },
)
export type ProcessInfo = Static<typeof ProcessInfo>

export const ProcessList = Type.Object(
  { processes: Type.Array(Ref(ProcessInfo), { description: 'Running and lately finished ones.' }) },
  { $id: 'ProcessList', description: 'Processes of a sandbox.' },
)
export type ProcessList = Static<typeof ProcessList>

export const ProcessListQuery = Type.Object(
  {
    tag: Type.Optional({ ...tag(), description: 'Only those with this tag.' }),
    state: Type.Optional(StringEnum(['running', 'exited'], { description: 'Only those in this state.' })),
  },
  { additionalProperties: false },
)

export const ProcessWaitQuery = Type.Object(
  {
    timeout: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 600,
        description: 'Seconds to wait at most, 60 when absent. After them the answer is how it stands.',
      }),
    ),
  },
  { additionalProperties: false },
)

export const ProcessSignalRequest = Type.Object(
  {
    signal: Type.String({
      pattern: '^(SIG)?[A-Z][A-Z0-9]{1,15}$',
      description: 'Name of the signal, with or without SIG: `SIGTERM`, `INT`, `KILL`.',
    }),
    scope: Type.Optional(
      StringEnum(['group', 'process'], {
        description: '`group` (default): the process and what it started in its process group; `process`: it alone.',
      }),
    ),
  },
  { $id: 'ProcessSignalRequest', description: 'A signal for a process.' },
)
export type ProcessSignalRequest = Static<typeof ProcessSignalRequest>

export const ProcessInputRequest = Type.Object(
  {
    data: Type.Optional(
      Type.String({ 'x-max-bytes': 16_777_216, description: 'What is written, in `encoding`. Absent: nothing.' }),
    ),
    encoding: Type.Optional(Encoding('How `data` is given. `utf-8` (default): as text; `base64`: any bytes.')),
    close: Type.Optional(
      Type.Boolean({
        description: 'Afterwards its input ends. A terminal has no such end: write Ctrl-D, `\\u0004`, to it.',
      }),
    ),
  },
  { $id: 'ProcessInputRequest', description: 'What is written to the standard input of a process.' },
)
export type ProcessInputRequest = Static<typeof ProcessInputRequest>

export const ProcessInputQuery = Type.Object(
  {
    close: Type.Optional(
      Type.Boolean({ description: 'For a body of raw bytes: afterwards its input ends. In JSON: `close` there.' }),
    ),
  },
  { additionalProperties: false },
)

export const ProcessOutputQuery = Type.Object(
  {
    offset: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description:
          'Byte of the output to begin at: 0 is the first, `next_offset` and the `offset` of events are where to go on. Absent: 0, or what the header Last-Event-ID says. What is no longer there is told as dropped.',
      }),
    ),
    tail: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 16_777_216,
        description: 'Begin so many bytes before the end instead. Not together with `offset`.',
      }),
    ),
    stream: Type.Optional(
      StringEnum(['both', 'stdout', 'stderr'], { description: 'Which output is given. Absent: both.' }),
    ),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1024,
        maximum: 16_777_216,
        description: 'Of a JSON answer: at most so many bytes of output, 1 MiB when absent. `next_offset` goes on.',
      }),
    ),
    encoding: Type.Optional(
      Encoding('How output is given in JSON and in events. `utf-8` (default): as text; `base64`: the exact bytes.'),
    ),
  },
  { additionalProperties: false },
)

export const ProcessOutput = Type.Object(
  {
    stdout: Type.String({ description: 'What it printed, in `encoding`.' }),
    stderr: Type.String({ description: 'What it printed to standard error, in `encoding`.' }),
    encoding: Encoding('How stdout and stderr are given.'),
    next_offset: Type.Integer({ description: 'Where to go on: the `offset` of the next call.' }),
    dropped_bytes: Type.Integer({ description: 'How much between `offset` and `next_offset` was no longer there.' }),
    complete: Type.Boolean({ description: 'It has ended and this was the rest: nothing more will come.' }),
    process: Ref(ProcessInfo),
  },
  { $id: 'ProcessOutput', description: 'What a process printed from an offset on, as far as it is there now.' },
)
export type ProcessOutput = Static<typeof ProcessOutput>

export const ProcessDeleted = Type.Object(
  {
    process_id: Type.String({ description: 'Id of the process.' }),
    status: StringEnum(['deleted'], { description: 'Always `deleted`.' }),
  },
  { $id: 'ProcessDeleted', description: 'The process is killed and forgotten, with its output.' },
)
export type ProcessDeleted = Static<typeof ProcessDeleted>

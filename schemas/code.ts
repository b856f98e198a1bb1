import { ContextId, cwd, envs, Language, outputLimitBytes, Timestamp, user } from './common.ts'
import { detach, MAX_RUN_SECONDS, Reason, Usage } from './execution.ts'
import { Nullable, NullableRef, Ref, type Static, Type } from './typebox.ts'

export const CodeExecution = Type.Object(
  {
    code: Type.String({ 'x-max-bytes': 8_388_608, description: 'The program. At most 8 MiB.' }),
    context_id: Type.Optional({
      ...ContextId,
      description: 'Context to run in. Absent: the one that the language has of its own, made on first use.',
    }),
    language: Type.Optional(
      Language(
        '`python` (default), `javascript`, `typescript` and `bash` keep their state from run to run; another whose interpreter is in the image runs as a program of its own. Case does not matter. Not together with `context_id`.',
      ),
    ),
    timeout: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: MAX_RUN_SECONDS,
        description:
          'Seconds after which the run is ended, with an error named `TimeoutError`: it is interrupted, and where it does not obey its interpreter is replaced. 0 or absent: 300.',
      }),
    ),
    cwd: Type.Optional(
      cwd('Folder of this run; the context is put back after it. Empty or absent: where the context is.'),
    ),
    envs: Type.Optional(envs("Environment on top of the sandbox's, for this run.")),
    user: Type.Optional(
      user(
        "Who runs it. Absent: the sandbox's user. Each user has contexts of their own; not together with `context_id`.",
      ),
    ),
    output_limit_bytes: Type.Optional(outputLimitBytes()),
    detach: Type.Optional(detach()),
    check_types: Type.Optional(
      Type.Boolean({
        description:
          'TypeScript only: its types are checked first, strictly, together with what earlier runs of the context declared, by the compiler in the image (`typescript` 4 to 6). Code with a wrong type does not run: `error` is then a `TypeCheckError`, its traceback has every problem with its place. False or absent: types are removed, not checked.',
      }),
    ),
  },
  { $id: 'CodeExecution', description: 'Code to run to its end, as a cell of a notebook.' },
)
export type CodeExecution = Static<typeof CodeExecution>

export const LogLine = Type.Object(
  {
    line: Type.String({ description: 'One line with its line end, as written; the last one may have none.' }),
    error: Type.Boolean({ description: 'It was written to standard error.' }),
    timestamp: Type.Number({ description: 'When it was written, in unix seconds.' }),
  },
  { $id: 'LogLine', description: 'One line that the program printed.' },
)
export type LogLine = Static<typeof LogLine>

export const Logs = Type.Object(
  {
    stdout: Type.Array(Ref(LogLine), { description: 'Lines of standard output, in order.' }),
    stderr: Type.Array(Ref(LogLine), { description: 'Lines of standard error, in order.' }),
  },
  { $id: 'Logs', description: 'What the program printed.' },
)
export type Logs = Static<typeof Logs>

export const ExecutionError = Type.Object(
  {
    name: Type.String({
      description: 'Kind of error as the language names it: `ZeroDivisionError`; `TimeoutError` at the time limit.',
    }),
    value: Type.String({ description: 'Its message.' }),
    traceback: Nullable(Type.Array(Type.String()), {
      description: 'Its frames, line by line; null when the language gives none.',
    }),
  },
  { $id: 'ExecutionError', description: 'The error that ended the program.' },
)
export type ExecutionError = Static<typeof ExecutionError>

const format = (what: string) => Nullable(Type.String(), { description: `${what}; null when there is none.` })

export const Result = Type.Object(
  {
    type: Type.String({ description: 'MIME type of `value`: the richest of its forms.' }),
    value: Type.Unknown({ description: 'The value in the form of `type`.' }),
    mime_type: Nullable(Type.String(), { description: 'The same as `type`.' }),
    text: format('Plain text'),
    html: format('HTML'),
    png: format('PNG image, base64'),
    jpeg: format('JPEG image, base64'),
    pdf: format('PDF document, base64'),
    svg: format('SVG image'),
    latex: format('LaTeX'),
    json: Type.Unknown({ description: 'JSON value; null when there is none.' }),
    markdown: format('Markdown'),
    javascript: format('JavaScript'),
    data: Type.Unknown({ description: 'A data frame as an object of column name to list of values, else null.' }),
    chart: Type.Unknown({ description: 'A plot as data: its type, labels and elements; else null.' }),
    raw: Type.Unknown({ description: 'Every form that the language gave, by MIME type.' }),
    is_main_result: Type.Boolean({ description: "It is the value of the code's last expression." }),
    display_id: Nullable(Type.String(), { description: 'Name that the code gave it, to update it by; else null.' }),
    truncated: Type.Array(Type.String(), { description: 'MIME types that were left out, or cut, for their size.' }),
  },
  { $id: 'Result', description: 'Something that the program displayed.' },
)
export type Result = Static<typeof Result>

export const ExecutionResponse = Type.Object(
  {
    text: Nullable(Type.String(), {
      description: 'The main result as text; null when there is none. What was printed is in `logs`.',
    }),
    logs: Ref(Logs),
    results: Type.Array(Ref(Result), { description: 'What was displayed, in order.' }),
    error: NullableRef(ExecutionError),
    created_at: Timestamp('When the run began.'),
    finished_at: Timestamp('When the run ended.'),
    language: Type.String({ description: 'The language it ran as.' }),
    exit_code: Type.Integer({
      description:
        '0, 1 after an error, or what the code asked to exit with; 128 + n when signal n ended it, 124 at the time limit.',
    }),
    reason: Reason,
    signal: Nullable(Type.String(), { description: 'Name of the signal that ended it, as `SIGKILL`.' }),
    usage: Ref(Usage),
    truncated: Type.Boolean({ description: 'Some of the output was left out: see `output_limit_bytes`.' }),
    process_id: Type.String({ description: 'Id of the run, for the processes routes.' }),
    context_id: Nullable(Type.String(), {
      description: 'The context that it ran in; null for a language without contexts.',
    }),
    state_lost: Type.Boolean({
      description:
        'Variables of earlier runs are gone: the interpreter of the context was replaced, before this run or by its end.',
    }),
  },
  {
    $id: 'ExecutionResponse',
    description: 'How the run ended and what it gave. An error of the program is in `error`, with status 200.',
  },
)
export type ExecutionResponse = Static<typeof ExecutionResponse>

import { CodeExecution, ExecutionResponse } from './code.ts'
import { CommandExecution, CommandResponse } from './command.ts'
import { Encoding, path } from './common.ts'
import { NullableRef, Ref, type Static, StringEnum, Type } from './typebox.ts'

const below = (what: string) => path(`${what}; not starting with \`/\`: below the sandbox's cwd. Without NUL.`)

/** A file of a request. */
export const FileContent = Type.Object(
  {
    path: below('Where it is written, with the folders above it'),
    content: Type.String({ description: 'All of it, in `encoding`.' }),
    encoding: Type.Optional(Encoding('How `content` is given. Default `utf-8`.')),
    mode: Type.Optional(
      Type.String({ pattern: '^0?[0-7]{3,4}$', description: 'Permission bits in octal: `755`. Default `644`.' }),
    ),
  },
  { $id: 'FileContent', additionalProperties: false, description: 'A file to write.' },
)
export type FileContent = Static<typeof FileContent>

/** A file of an answer. */
export const FileRead = Type.Object(
  {
    path: Type.String({ description: 'As it was asked for; of a pattern where it was found.' }),
    content: Type.String({ description: 'All of it, in `encoding`.' }),
    encoding: StringEnum(['utf-8', 'base64'], { description: '`utf-8` where it is text, else `base64`.' }),
    size: Type.Integer({ description: 'Bytes.' }),
  },
  { $id: 'FileRead', description: 'A file that was read.' },
)
export type FileRead = Static<typeof FileRead>

const PathOf = (what: string, description: string) =>
  Type.Object({ path: below(what) }, { additionalProperties: false, description })

export const BatchStep = Type.Object(
  {
    write: Type.Optional(Ref(FileContent)),
    read: Type.Optional(PathOf('A file, or with `*`, `**`, `?`, `[` or `{` a pattern of files', 'Read files.')),
    delete: Type.Optional(PathOf('A file, or a folder with all in it', 'Delete it.')),
    command: Type.Optional(Ref(CommandExecution)),
    code: Type.Optional(Ref(CodeExecution)),
  },
  {
    $id: 'BatchStep',
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
    description: 'One thing to do: exactly one of its members.',
  },
)
export type BatchStep = Static<typeof BatchStep>

export const BatchRequest = Type.Object(
  {
    steps: Type.Array(Ref(BatchStep), { minItems: 1, maxItems: 100, description: 'Done one after the other.' }),
    stop_on_error: Type.Optional(
      Type.Boolean({
        description: 'A step that fails, and a command or code that ends with an error, is the last one. Default true.',
      }),
    ),
  },
  { $id: 'BatchRequest', additionalProperties: false, description: 'Several things to do in a sandbox.' },
)
export type BatchRequest = Static<typeof BatchRequest>

export const StepError = Type.Object(
  {
    code: Type.String({ description: 'As of an answer of its own: stable, for programs.' }),
    detail: Type.String({ description: 'A sentence for people.' }),
  },
  { $id: 'StepError', description: 'Why a step could not be done.' },
)

export const BatchResult = Type.Object(
  {
    step: Type.Integer({ description: 'Its place among the steps, from 0.' }),
    ok: Type.Boolean({ description: 'It was done, and what it ran ended without an error.' }),
    error: NullableRef(StepError),
    command: NullableRef(CommandResponse),
    code: NullableRef(ExecutionResponse),
    files: Type.Union([Type.Array(Ref(FileRead)), Type.Null()], { description: 'Of a `read`; null of other steps.' }),
  },
  { $id: 'BatchResult', description: 'What a step gave.' },
)
export type BatchResult = Static<typeof BatchResult>

export const BatchResponse = Type.Object(
  {
    ok: Type.Boolean({ description: 'All steps are.' }),
    results: Type.Array(Ref(BatchResult), { description: 'One for each step that was begun, in order.' }),
  },
  { $id: 'BatchResponse', description: 'What the steps gave.' },
)
export type BatchResponse = Static<typeof BatchResponse>

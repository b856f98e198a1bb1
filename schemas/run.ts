import { FileContent, FileRead } from './batch.ts'
import { ExecutionResponse } from './code.ts'
import { CommandResponse } from './command.ts'
import { Encoding, Language, outputLimitBytes, path } from './common.ts'
import { MAX_RUN_SECONDS } from './execution.ts'
import { SandboxCreate } from './sandbox.ts'
import { NullableRef, Ref, type Static, Type } from './typebox.ts'

const { template, cwd, envs, user, resources, network, volumes, metadata } = SandboxCreate.properties

export const RunRequest = Type.Object(
  {
    template,
    cwd,
    envs,
    user,
    resources,
    network,
    volumes,
    metadata,
    files: Type.Optional(
      Type.Array(Ref(FileContent), { maxItems: 100, description: 'Written before, relative paths below `cwd`.' }),
    ),
    command: Type.Optional(
      Type.String({
        pattern: '^[^\\u0000]*$',
        'x-max-bytes': 8_388_608,
        description: 'A line or script for `sh -c`. Either this or `code`.',
      }),
    ),
    code: Type.Optional(
      Type.String({ 'x-max-bytes': 8_388_608, description: 'A program in `language`. Either this or `command`.' }),
    ),
    language: Type.Optional(Language('Of `code`. Default `python`.')),
    timeout: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: MAX_RUN_SECONDS,
        description: 'Seconds after which the command or code is ended. 0 or absent: 300.',
      }),
    ),
    encoding: Type.Optional(Encoding("How a command's stdout and stderr are given. Default `utf-8`.")),
    output_limit_bytes: Type.Optional(outputLimitBytes()),
    outputs: Type.Optional(
      Type.Array(path('A file to give back, or a pattern of files.'), {
        maxItems: 100,
        description: 'Files to give back, however it ended; with `*`, `**`, `?`, `[` or `{` all that match.',
      }),
    ),
  },
  { $id: 'RunRequest', description: 'What to run in a sandbox of its own. null is the same as absent.' },
)
export type RunRequest = Static<typeof RunRequest>

export const RunResponse = Type.Object(
  {
    command: NullableRef(CommandResponse),
    code: NullableRef(ExecutionResponse),
    files: Type.Array(Ref(FileRead), { description: 'Those of `outputs` that were there.' }),
    missing: Type.Array(Type.String(), { description: 'Those of `outputs` that gave no file.' }),
    sandbox_id: Type.String({ description: 'Of the sandbox that it was; for its events.' }),
    warm: Type.Boolean({ description: 'It came from a pool.' }),
    timings: Type.Object(
      {
        create: Type.Number({ description: 'Until the sandbox could be used.' }),
        run: Type.Number({ description: 'Files in, the run, files out.' }),
        total: Type.Number({ description: 'Of the whole.' }),
      },
      { description: 'Seconds.' },
    ),
  },
  { $id: 'RunResponse', description: 'How it ended and what it gave; `command` or `code`, the other is null.' },
)
export type RunResponse = Static<typeof RunResponse>

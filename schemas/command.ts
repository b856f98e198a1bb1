import { cwd, Encoding, envs, outputLimitBytes, user } from './common.ts'
import { detach, MAX_RUN_SECONDS, Reason, Usage } from './execution.ts'
import { Nullable, Ref, type Static, Type } from './typebox.ts'

export const CommandExecution = Type.Object(
  {
    command: Type.String({
      pattern: '^[^\\u0000]*$',
      'x-max-bytes': 8_388_608,
      description: 'A line (or script) for `sh -c`. Pipes, redirects and variables work. At most 8 MiB, without NUL.',
    }),
    cwd: Type.Optional(cwd("Folder to run in. Empty or absent: the sandbox's.")),
    envs: Type.Optional(envs("Environment on top of the sandbox's, for this command.")),
    timeout: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: MAX_RUN_SECONDS,
        description:
          'Seconds after which the command and all it started are killed: `exit_code` 124, `reason` timeout. 0 or absent: no limit.',
      }),
    ),
    user: Type.Optional(user("Who runs it. Absent: the sandbox's user.")),
    encoding: Type.Optional(
      Encoding(
        'How stdout and stderr are given. `utf-8` (default): as text, bytes that are not UTF-8 replaced; `base64`: the exact bytes.',
      ),
    ),
    output_limit_bytes: Type.Optional(outputLimitBytes()),
    detach: Type.Optional(detach()),
  },
  { $id: 'CommandExecution', description: 'A shell command to run to its end.' },
)
export type CommandExecution = Static<typeof CommandExecution>

export const CommandResponse = Type.Object(
  {
    stdout: Type.String({ description: 'Standard output, in `encoding`.' }),
    stderr: Type.String({ description: 'Standard error, in `encoding`.' }),
    exit_code: Type.Integer({
      description:
        "The program's; 128 + n when signal n ended it, 124 at its time limit. Not zero is not an error of this API.",
    }),
    execution_time: Type.Number({ description: 'Seconds from start to end.' }),
    reason: Reason,
    signal: Nullable(Type.String(), { description: 'Name of the signal that ended it, as `SIGKILL`.' }),
    usage: Ref(Usage),
    truncated: Type.Boolean({ description: 'Some of stdout or stderr was left out: see `output_limit_bytes`.' }),
    encoding: Encoding('How stdout and stderr are given.'),
    process_id: Type.String({ description: 'Id of the process, for the processes routes.' }),
  },
  { $id: 'CommandResponse', description: 'How the command ended and what it printed.' },
)
export type CommandResponse = Static<typeof CommandResponse>

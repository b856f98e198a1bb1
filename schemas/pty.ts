import { cwd, ProcessId, user } from './common.ts'
import { TerminalSize, tag } from './process.ts'
import { Type } from './typebox.ts'

const { cols, rows } = TerminalSize.properties

export const PtyQuery = Type.Object(
  {
    process_id: Type.Optional({ ...ProcessId, description: 'Terminal to come back to. Absent: a new one.' }),
    offset: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Of a terminal to come back to: byte of its output to begin at. Absent: the latest 64 KiB.',
      }),
    ),
    cols: Type.Optional({ ...cols, description: 'Width of a new terminal, in characters. Absent: 80.' }),
    rows: Type.Optional({ ...rows, description: 'Height of a new terminal. Absent: 24.' }),
    command: Type.Optional(
      Type.String({
        pattern: '^[^\\u0000]*$',
        'x-max-bytes': 8192,
        description: 'For `sh -c`. Absent: an interactive shell. At most 8,192 bytes.',
      }),
    ),
    cwd: Type.Optional(cwd("Folder to begin in. Absent: the sandbox's.")),
    user: Type.Optional(user("Who runs it. Absent: the sandbox's user.")),
    tag: Type.Optional(tag()),
  },
  { additionalProperties: false },
)

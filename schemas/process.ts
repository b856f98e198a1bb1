import { Timestamp } from './common.ts'
import { REASONS } from './execution.ts'
import { Nullable, NullableEnum, Ref, type Static, StringEnum, Type } from './typebox.ts'

export const ProcessInfo = Type.Object(
  {
    process_id: Type.String({ description: 'Id of the process.' }),
    pid: Type.Integer({ description: 'Its number inside the sandbox.' }),
    command: Type.String({ description: 'What was started.' }),
    cwd: Type.String({ description: 'Folder it was started in.' }),
    user: Type.String({ description: 'Who runs it.' }),
    state: StringEnum(['running', 'exited'], { description: 'Whether it runs.' }),
    started_at: Timestamp('When it was started.'),
    ended_at: Nullable(Timestamp('When it ended; null while it runs.')),
    exit_code: Nullable(Type.Integer(), { description: 'As in a command answer; null while it runs.' }),
    signal: Nullable(Type.String(), { description: 'Name of the signal that ended it, else null.' }),
    reason: NullableEnum(REASONS, { description: 'How it ended; null while it runs.' }),
  },
  { $id: 'ProcessInfo', description: 'A process that was started through this API.' },
)
export type ProcessInfo = Static<typeof ProcessInfo>

export const ProcessList = Type.Object(
  { processes: Type.Array(Ref(ProcessInfo), { description: 'Running and lately finished ones.' }) },
  { $id: 'ProcessList', description: 'Processes of a sandbox.' },
)
export type ProcessList = Static<typeof ProcessList>

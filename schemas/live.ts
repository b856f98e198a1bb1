import { ExecutionError, Result } from './code.ts'
import { Timestamp } from './common.ts'
import { Reason, Usage } from './execution.ts'
import { Problem } from './problem.ts'
import { Nullable, Ref, type Static, StringEnum, Type } from './typebox.ts'

const kind = <const T extends string>(...types: T[]) => StringEnum(types, { description: 'What happened.' })

const Offset = Type.Integer({
  description:
    'Where to go on after this event: the `offset` of the output route of the process. As Server-Sent Events also the `id`.',
})

const StartEvent = Type.Object(
  {
    type: kind('start'),
    process_id: Type.String({ description: 'Id of the run, for the processes routes.' }),
    created_at: Timestamp('When it was taken; code in a context may wait its turn.'),
    language: Nullable(Type.String(), { description: 'The language it runs as; null for a command.' }),
    context_id: Nullable(Type.String(), { description: 'The context that it runs in; null when there is none.' }),
  },
  { description: 'First, once. What fails before it is answered as a problem, with its own status.' },
)

const OutputEvent = Type.Object(
  {
    type: kind('stdout', 'stderr'),
    text: Type.String({ description: 'What was written, cut anywhere but inside a character, in `encoding`.' }),
    timestamp: Type.Number({ description: 'When it was written, in unix seconds.' }),
    offset: Offset,
  },
  { description: 'The program printed something.' },
)

const ResultEvent = Type.Object(
  {
    type: kind('result'),
    result: Ref(Result),
    update: Type.Boolean({ description: 'It replaces what was displayed under its `display_id`.' }),
    offset: Offset,
  },
  { description: 'The code displayed something.' },
)

const DroppedEvent = Type.Object(
  {
    type: kind('dropped'),
    bytes: Type.Integer({ description: 'How many.' }),
    offset: Offset,
  },
  { description: 'Output is missing here: it was overwritten before it was read.' },
)

const ErrorEvent = Type.Object(
  { type: kind('error'), error: Ref(ExecutionError) },
  { description: 'What ended the code; right before `end`. Commands have none.' },
)

const EndEvent = Type.Object(
  {
    type: kind('end'),
    exit_code: Type.Integer({ description: 'As in the answer at the end.' }),
    reason: Reason,
    signal: Nullable(Type.String(), { description: 'Name of the signal that ended it, as `SIGKILL`.' }),
    usage: Ref(Usage),
    truncated: Type.Boolean({ description: 'Some of its output or of what it displayed was left out.' }),
    state_lost: Type.Boolean({ description: 'Variables of earlier runs in its context are gone.' }),
    finished_at: Timestamp('When it ended.'),
  },
  { description: 'Last, when it ran to its end.' },
)

const ProblemEvent = Type.Object(
  { type: kind('problem'), problem: Ref(Problem) },
  { description: 'Last, instead of `end`: how it ended is not known.' },
)

const HeartbeatEvent = Type.Object(
  { type: kind('heartbeat') },
  { description: 'Nothing happened for 15 seconds. As Server-Sent Events a comment instead.' },
)

export const ExecutionEvent = Type.Union(
  [StartEvent, OutputEvent, ResultEvent, DroppedEvent, ErrorEvent, EndEvent, ProblemEvent, HeartbeatEvent],
  {
    $id: 'ExecutionEvent',
    description:
      'Something that happened in a run. As NDJSON one a line; as Server-Sent Events the `data` of an event that is called by its `type`.',
  },
)
export type ExecutionEvent = Static<typeof ExecutionEvent>

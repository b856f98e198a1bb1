import { Problem } from './problem.ts'
import { Nullable, Ref, type Static, StringEnum, Type } from './typebox.ts'

const kind = <const T extends string>(...types: T[]) => StringEnum(types, { description: 'What happened.' })

export const WatchEvent = Type.Union(
  [
    Type.Object(
      {
        type: kind('ready'),
        skipped: Type.Integer({ description: 'Folders below that the user may not read: nothing is told of them.' }),
      },
      { description: 'First: from here on nothing is missed.' },
    ),
    Type.Object(
      {
        type: kind('create', 'write', 'remove', 'rename', 'attributes'),
        path: Type.String({ description: 'Absolute; of a rename the new one. Bytes that are not UTF-8 replaced.' }),
        path_base64: Nullable(Type.String(), { description: "The path's bytes when they are not UTF-8, else null." }),
        from: Nullable(Type.String(), { description: 'Of a rename: the old path, else null.' }),
        file_type: Nullable(Type.String(), {
          description: 'What it is: `file`, `directory`, `symlink`…; null where it is gone already.',
        }),
        timestamp: Type.Number({ description: 'When it was seen, in unix seconds.' }),
      },
      { description: 'Something changed. A file that is written often is told at most every 50 ms, and at its end.' },
    ),
    Type.Object({ type: kind('overflow') }, { description: 'Changes were lost here: look for yourself.' }),
    Type.Object(
      {
        type: kind('end'),
        reason: Type.String({ description: '`removed`: what was watched is gone; `limit`: too many folders.' }),
      },
      { description: 'Last: nothing is watched any more.' },
    ),
    Type.Object(
      { type: kind('problem'), problem: Ref(Problem) },
      { description: 'Last, instead of `end`: why it can not go on.' },
    ),
    Type.Object(
      { type: kind('heartbeat') },
      { description: 'Nothing happened for 15 seconds. As Server-Sent Events a comment instead.' },
    ),
  ],
  {
    $id: 'WatchEvent',
    description:
      'Something that happened to files. As NDJSON one a line; as Server-Sent Events the `data` of an event that is called by its `type`.',
  },
)
export type WatchEvent = Static<typeof WatchEvent>

import { SandboxId, Timestamp } from './common.ts'
import { Problem } from './problem.ts'
import { Nullable, Ref, type Static, StringEnum, Type } from './typebox.ts'

/** Every event that there is, with what it means. Types are added, never changed. */
const EVENT_TYPES = {
  'sandbox.created': 'it runs and was given to its caller; `data.warm`: from a pool',
  'sandbox.create_failed': 'its create failed or was given up, and nothing of it is left; `data.by`',
  'sandbox.started': 'it runs again after a stop or a failure',
  'sandbox.stopped': 'its processes have ended, its disk stays; `data.reason` where nobody asked for it',
  'sandbox.paused': 'its processes stand still; `data.reason` where nobody asked for it',
  'sandbox.resumed': 'its processes go on',
  'sandbox.failed': 'it can not go on; `data.reason`',
  'sandbox.updated': 'members of it have changed; `data.changed` names them',
  'sandbox.out_of_memory': 'the kernel killed a process of it that would have used more memory than it may',
  'sandbox.adopted': 'it was found on the engine without a record, as after the loss of the database',
  'sandbox.deleted':
    'it is gone; `data.by`: `request`, `timeout`, `max_lifetime`, `server_restart` (that of a `POST /run` which a crash cut off); comes once, after all its other events',
  'template.built': 'sandboxes of it are made of the new image from now on; `data.template`, `data.build_id`',
  'template.failed': 'a build of it has failed; `data.reason`, `data.step`',
  'template.deleted': 'its name leads to nothing of it any more',
  'snapshot.created':
    'something can be made of it; `data.snapshot_id`, `data.name`, `data.from`: the sandbox that it is of',
  'snapshot.lost': 'the engine has it no more, nothing can be made of it; `data.snapshot_id`, `data.name`',
  'snapshot.deleted': 'it is gone; `data.snapshot_id`, `data.name`',
  'volume.created': 'sandboxes can have it; `data.volume`: its name',
  'volume.lost': 'the engine has it no more, its files are lost; `data.volume`',
  'volume.deleted': 'it is gone; `data.volume`',
  'webhook.disabled':
    'its receiver did not take an event for about a day, or answered 410; `data.webhook_id`, `data.url`, `data.reason`',
} as const

type EventType = keyof typeof EVENT_TYPES

export const eventTypes = Object.keys(EVENT_TYPES) as [EventType, ...EventType[]]

const meanings = Object.entries(EVENT_TYPES)
  .map(([type, meaning]) => `\`${type}\`: ${meaning}`)
  .join('. ')

export const Event = Type.Object(
  {
    event_id: Type.Integer({ description: 'Grows with each event, not always by one; `after` continues from it.' }),
    type: StringEnum(eventTypes, { description: `${meanings}.` }),
    sandbox_id: Nullable(SandboxId, { description: 'The sandbox it is about; null where it is about none alone.' }),
    created_at: Timestamp('When it happened.'),
    data: Type.Unsafe<Record<string, unknown>>({
      type: 'object',
      additionalProperties: true,
      description: 'More about it, by its type. New members may come.',
    }),
  },
  { $id: 'Event', description: 'Something that has happened.' },
)
export type Event = Static<typeof Event>

const kind = <const T extends string>(type: T) => StringEnum([type], { description: 'What this is.' })

export const EventMessage = Type.Union(
  [
    Type.Object(
      {
        type: kind('ready'),
        event_id: Type.Integer({ description: 'Events after this one follow.' }),
      },
      { description: 'First: from here on nothing is missed.' },
    ),
    Ref(Event),
    Type.Object(
      { type: kind('gap') },
      { description: 'Events are missing here: they are not kept any more (K2_EVENTS_KEPT). List what there is.' },
    ),
    Type.Object(
      { type: kind('problem'), problem: Ref(Problem) },
      { description: 'Last: why it can not go on. Come back with `after`.' },
    ),
    Type.Object(
      { type: kind('heartbeat') },
      { description: 'Nothing happened for 15 seconds. As Server-Sent Events a comment instead.' },
    ),
  ],
  {
    $id: 'EventMessage',
    description:
      'A line of the events as they happen. As NDJSON one a line; as Server-Sent Events the `data` of an event that is called by its `type` and has `event_id` as its `id`.',
  },
)
export type EventMessage = Static<typeof EventMessage>

export const EventPage = Type.Object(
  {
    events: Type.Array(Ref(Event), { description: 'Oldest first.' }),
    next: Type.Integer({ description: 'Give it as `after` for what comes then, also when there is nothing yet.' }),
    gap: Type.Boolean({ description: 'Some of what was asked for is not kept any more (K2_EVENTS_KEPT).' }),
  },
  { $id: 'EventPage', description: 'Some events.' },
)
export type EventPage = Static<typeof EventPage>

export const EventQuery = Type.Object(
  {
    after: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description:
          'Only events after this `event_id`; 0: all that are kept. Absent: as JSON all that are kept, live those from now on.',
      }),
    ),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Most events of a page, as JSON.' }),
    ),
    type: Type.Optional(
      Type.Array(StringEnum(eventTypes, { description: 'A type.' }), {
        maxItems: eventTypes.length,
        description: 'Only events of this type; repeat it for more.',
      }),
    ),
  },
  { additionalProperties: false },
)
export type EventQuery = Static<typeof EventQuery>

/** What commands and code have in common. */
import { type Static, StringEnum, Type } from './typebox.ts'

/** A week: longer is a mistake in the unit. */
export const MAX_RUN_SECONDS = 604_800

export const Usage = Type.Object(
  {
    cpu_seconds: Type.Number({ description: 'Processor time of the process and what it started, in seconds.' }),
    peak_memory_bytes: Type.Integer({ description: 'Most memory it held at once, in bytes.' }),
    wall_seconds: Type.Number({ description: 'From start to end, in seconds.' }),
  },
  { $id: 'Usage', description: 'What the run used.' },
)
export type Usage = Static<typeof Usage>

/** Of commands and code. */
export const detach = () =>
  Type.Boolean({
    description:
      'It runs on when the client leaves before its end: see the processes routes. Absent or false: it is ended then.',
  })

export const REASONS = ['exited', 'signaled', 'timeout', 'out_of_memory', 'killed', 'restarted'] as const

export const Reason = StringEnum(REASONS, {
  description:
    'How it ended: by itself, by a signal, at its time limit, for want of memory, killed through this API, or because its context was restarted.',
})

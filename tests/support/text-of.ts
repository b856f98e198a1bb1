import type { ExecutionEvent } from '../../schemas/live.ts'

/** All that a run printed to one stream, from its events. */
export function textOf(events: ExecutionEvent[], stream: 'stdout' | 'stderr'): string {
  return events.map((event) => (event.type === stream ? event.text : '')).join('')
}

import type { ExecutionEvent } from '../../schemas/live.ts'
import type { LiveType } from '../../src/http/live-answer.ts'

/** The events of an answer as a client of each form reads them; comments and heartbeats are left out. Fails for what is not of the form. */
export async function* readEvents<Event extends { type: string } = ExecutionEvent>(
  response: Response,
  type: LiveType,
): AsyncGenerator<Event, void, undefined> {
  const border = type === 'text/event-stream' ? '\n\n' : '\n'
  let text = ''
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk
    for (let end = text.indexOf(border); end >= 0; end = text.indexOf(border)) {
      const block = text.slice(0, end)
      text = text.slice(end + border.length)
      const event = type === 'text/event-stream' ? parseServerSent<Event>(block) : (JSON.parse(block) as Event)
      if (event !== null && event.type !== 'heartbeat') yield event
    }
  }
  if (text !== '') throw new Error(`the stream ended in the middle of an event: ${text.slice(0, 200)}`)
}

function parseServerSent<Event extends { type: string }>(block: string): Event | null {
  if (block.startsWith(':')) return null
  const { id, name, data } = /^(?:id: (?<id>\d+)\n)?event: (?<name>\S+)\ndata: (?<data>.*)$/.exec(block)?.groups ?? {}
  if (data === undefined) throw new Error(`no event: ${block.slice(0, 200)}`)
  const event = JSON.parse(data) as Event
  if (event.type !== name) throw new Error(`an event called ${name} is of type ${event.type}`)
  const { offset, event_id } = event as { offset?: number; event_id?: number }
  const at = offset ?? event_id
  if (id !== (at === undefined ? undefined : String(at))) throw new Error(`an event has the id ${id} and is at ${at}`)
  return event
}

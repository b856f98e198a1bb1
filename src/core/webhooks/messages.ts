import type { Event } from '../events/event.ts'
import type { Message } from './webhook.ts'

const time = (at: number) => new Date(at).toISOString()

/** The event as GET /events gives it. Its id is made of what never comes twice, also where a backup was restored. */
export function eventMessage(webhookId: string, { seq, at, type, sandboxId, data }: Event): Message {
  const timestamp = time(at)
  const body = { type, timestamp, event_id: seq, sandbox_id: sandboxId, created_at: timestamp, data }
  return { id: `msg_${webhookId}_${seq}_${at}`, eventId: seq, type, body: JSON.stringify(body) }
}

/** Of what comes after this event some is not kept any more. */
export function gapMessage(webhookId: string, after: number, now: number): Message {
  const body = { type: 'gap', timestamp: time(now), data: { after } }
  return { id: `msg_${webhookId}_${after}_gap`, eventId: null, type: 'gap', body: JSON.stringify(body) }
}

export function testMessage(webhookId: string, now: number): Message {
  const body = { type: 'test', timestamp: time(now), data: { webhook_id: webhookId } }
  return { id: `msg_${webhookId}_test_${now}`, eventId: null, type: 'test', body: JSON.stringify(body) }
}

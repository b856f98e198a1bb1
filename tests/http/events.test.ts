import { expect, onTestFinished, test } from 'vitest'
import type { Event, EventMessage, EventPage } from '../../schemas/event.ts'
import { useServer } from '../support/live.ts'
import { readEvents } from '../support/read-events.ts'
import { waitFor } from '../support/wait-for.ts'

const live = useServer({ engine: 'local', settings: { K2_EVENTS_KEPT: '100' } })
const page = (path: string) => live.api.json<EventPage>('GET', path)
const typesOf = (events: Event[]) => events.map(({ type }) => type.replace('sandbox.', ''))

/** Messages as they come; leaving ends it. */
async function* follow(
  path: string,
  {
    accept = 'application/x-ndjson',
    headers = {},
  }: { accept?: 'application/x-ndjson' | 'text/event-stream'; headers?: Record<string, string> } = {},
): AsyncGenerator<EventMessage> {
  const leave = new AbortController()
  const response = await fetch(`${live.api.url}${path}`, { headers: { accept, ...headers }, signal: leave.signal })
  expect(response.status).toBe(200)
  try {
    yield* readEvents<EventMessage>(response, accept)
  } finally {
    leave.abort()
  }
}

async function take(messages: AsyncGenerator<EventMessage>, count: number): Promise<EventMessage[]> {
  const taken: EventMessage[] = []
  while (taken.length < count) {
    const { value, done } = await messages.next()
    if (done) break
    taken.push(value)
  }
  return taken
}

test('the life of a sandbox is told in order, with its reasons, once each, and stays after its end', async () => {
  const { sandbox_id: id } = await live.api.create({ name: 'told', metadata: { a: '1' } })
  await live.api.action(id, 'pause')
  await live.api.action(id, 'resume')
  await live.api.update(id, { timeout: 99, metadata: { a: '1' } })
  await live.api.action(id, 'set_timeout', { timeout: 99 })
  await live.api.action(id, 'stop')
  await live.api.action(id, 'start')
  await live.api.delete(id)
  const { events, gap } = await page(`/sandboxes/${id}/events`)
  expect(gap).toBe(false)
  expect(typesOf(events)).toEqual(['created', 'paused', 'resumed', 'updated', 'stopped', 'started', 'deleted'])
  expect(events[0]).toMatchObject({ sandbox_id: id, data: { name: 'told', status: 'running', warm: false } })
  expect(events[3]).toMatchObject({ data: { changed: ['timeout'] } })
  expect(events.at(-1)).toMatchObject({ data: { by: 'request' } })
  expect(events.map((one) => one.event_id)).toEqual([...events.map((one) => one.event_id)].sort((a, b) => a - b))
  expect(await live.api.refused('GET', `/sandboxes/${'x'.repeat(20)}/events`)).toMatchObject({
    code: 'SANDBOX_NOT_FOUND',
  })
})

test('an end by timeout or by a create that fails says so', async () => {
  const { next } = await page('/events?limit=1000')
  const { sandbox_id: id } = await live.api.create({ timeout: 1 })
  const bad = await live.api.refused('POST', '/sandboxes', { resources: { disk_mb: 100 } })
  expect(bad.code).toBe('NOT_SUPPORTED_BY_ENGINE')
  await waitFor('its end', async () => (await live.api.send('GET', `/sandboxes/${id}`)).status === 404)
  const { events } = await page(`/events?after=${next}&type=sandbox.deleted&type=sandbox.create_failed`)
  expect(events.map(({ type, data }) => [type, data.by])).toEqual([
    ['sandbox.create_failed', 'create_failed'],
    ['sandbox.deleted', 'timeout'],
  ])
  expect(events.at(-1)?.sandbox_id).toBe(id)
})

test('followed from now on, events come as they happen; of one sandbox until its end', async () => {
  const all = follow('/events?type=sandbox.created&type=sandbox.deleted')
  onTestFinished(async () => void (await all.return(undefined)))
  expect(await take(all, 1)).toEqual([{ type: 'ready', event_id: expect.any(Number) }])
  const { sandbox_id: id } = await live.api.create()
  expect(await take(all, 1)).toMatchObject([{ type: 'sandbox.created', sandbox_id: id }])
  const one = follow(`/sandboxes/${id}/events?after=0`)
  expect(await take(one, 2)).toMatchObject([{ type: 'ready' }, { type: 'sandbox.created' }])
  await live.api.action(id, 'pause')
  await live.api.delete(id)
  expect(await take(one, 100)).toMatchObject([{ type: 'sandbox.paused' }, { type: 'sandbox.deleted' }])
  expect(await take(all, 1)).toMatchObject([{ type: 'sandbox.deleted', sandbox_id: id }])
})

test('a reader goes on where it was, by its query or as a browser does, also over a restart of the server', async () => {
  const { sandbox_id: id } = await live.api.create()
  const first = follow(`/sandboxes/${id}/events?after=0`, { accept: 'text/event-stream' })
  const [, created] = await take(first, 2)
  await first.return(undefined)
  if (created?.type !== 'sandbox.created') throw new Error('it is told as created')
  await live.api.action(id, 'pause')
  await live.server.kill()
  await live.server.startAgain()
  await live.api.action(id, 'resume')
  const again = { accept: 'text/event-stream', headers: { 'last-event-id': String(created.event_id) } } as const
  const rest = follow(`/sandboxes/${id}/events`, again)
  const got = await take(rest, 3)
  await rest.return(undefined)
  expect(got).toMatchObject([
    { type: 'ready', event_id: created.event_id },
    { type: 'sandbox.paused' },
    { type: 'sandbox.resumed' },
  ])
  await live.api.delete(id)
})

test('what is not kept any more is told as a gap', async () => {
  const { sandbox_id: id } = await live.api.create()
  const { next } = await page('/events?limit=1000')
  for (let n = 0; n < 150; n++) await live.api.action(id, 'set_timeout', { timeout: 100 + (n % 2) })
  const late = await page(`/events?after=${next}`)
  expect(late.gap).toBe(true)
  expect(late.events.length).toBeGreaterThan(0)
  const followed = follow(`/events?after=${next}`)
  expect(await take(followed, 3)).toMatchObject([{ type: 'ready' }, { type: 'gap' }, { type: 'sandbox.updated' }])
  await followed.return(undefined)
  await live.api.delete(id)
})

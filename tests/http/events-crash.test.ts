import { expect, test } from 'vitest'
import type { Event, EventPage } from '../../schemas/event.ts'
import type { SandboxCreated } from '../../schemas/sandbox.ts'
import { useServer } from '../support/live.ts'
import { useReceiver } from '../support/webhook-receiver.ts'

const live = useServer({ engine: 'local', settings: { K2_WEBHOOK_NETWORKS: '127.0.0.0/8' } })
const receiver = useReceiver()

const ENDS = ['sandbox.deleted', 'sandbox.create_failed']

test('whenever the server is killed, every answer has its event, every sandbox one end, and a webhook gets all in order', async () => {
  await live.api.json('POST', '/webhooks', { url: receiver.url })
  const created = new Set<string>()
  const deleted = new Set<string>()
  for (const answers of [5, 9]) {
    let left = answers
    const enough = Promise.withResolvers<void>()
    const answered = () => {
      if (--left === 0) enough.resolve()
    }
    const rounds = Array.from({ length: 4 }, async () => {
      for (;;) {
        const made = await live.api.send('POST', '/sandboxes', {})
        if (made.status !== 200) return
        const { sandbox_id: id } = JSON.parse(made.text) as SandboxCreated
        created.add(id)
        answered()
        await live.api.send('POST', `/sandboxes/${id}/actions`, { action: 'pause' })
        if ((await live.api.send('DELETE', `/sandboxes/${id}`)).status !== 200) return
        deleted.add(id)
        answered()
      }
    })
    const ended = Promise.allSettled(rounds)
    await enough.promise
    await live.server.kill()
    await ended
    await live.server.startAgain()
  }
  const { sandboxes } = await live.api.list()
  for (const { sandbox_id: id } of sandboxes) await live.api.delete(id)

  const { events, gap } = await live.api.json<EventPage>('GET', '/events?limit=1000')
  expect(gap).toBe(false)
  const of = new Map<string, Event[]>()
  for (const event of events) of.set(event.sandbox_id ?? '', [...(of.get(event.sandbox_id ?? '') ?? []), event])
  const typesOf = (id: string) => (of.get(id) ?? []).map(({ type }) => type as string)
  expect(created.size).toBeGreaterThan(0)
  for (const id of created) expect(typesOf(id)[0]).toBe('sandbox.created')
  for (const id of deleted) expect(typesOf(id).at(-1)).toBe('sandbox.deleted')
  for (const id of of.keys()) {
    expect(typesOf(id).filter((type) => ENDS.includes(type))).toHaveLength(1)
    expect(ENDS).toContain(typesOf(id).at(-1))
  }

  // What comes again is known by its id.
  const got = new Map<unknown, number>()
  while (got.size < events.length) {
    const { headers, body } = await receiver.next()
    if (!got.has(headers['webhook-id'])) got.set(headers['webhook-id'], Number(body.event_id))
  }
  expect([...got.values()]).toEqual(events.map((event) => event.event_id))
})

import { expect, onTestFinished, test, vi } from 'vitest'
import { Journal } from '../../../../src/core/events/journal.ts'
import { RETRIES } from '../../../../src/core/webhooks/retries.ts'
import type { Posted } from '../../../../src/core/webhooks/webhook.ts'
import { Webhooks } from '../../../../src/core/webhooks/webhooks.ts'
import type { Store } from '../../../../src/store/store.ts'
import { FakeClock, temporaryStore } from '../records.ts'

const log = { info() {}, warn() {}, error() {}, debug() {} }

function webhooksOf(store: Store, answer: () => Posted | Error) {
  const clock = new FakeClock()
  const journal = new Journal({ table: store.events, clock, kept: 100 })
  const sent: { type: string }[] = []
  const outbound = {
    check: async () => {},
    post: async (_url: string, { body }: { body: string }) => {
      sent.push(JSON.parse(body))
      const one = answer()
      if (one instanceof Error) throw one
      return one
    },
  }
  const webhooks = new Webhooks({ store, journal, outbound, clock, log })
  webhooks.open()
  onTestFinished(() => webhooks.close())
  const happen = () => journal.append({ type: 'sandbox.created', sandboxId: 'one', data: {} })
  return { webhooks, journal, clock, sent, happen }
}

const URL = { url: 'https://example.com/' }

test('after the last try it is disabled with the reason and an event, and its place stays', async () => {
  const { store, reopen } = temporaryStore()
  const first = webhooksOf(store, () => new Error('nothing accepts connections there'))
  const { id } = await first.webhooks.create(URL, {})
  first.happen()
  await vi.waitUntil(() => first.webhooks.get(id).attempts === 1)
  expect(first.webhooks.get(id)).toMatchObject({ enabled: true, position: 0 })
  await first.webhooks.close()
  store.webhooks.saveProgress(id, { position: 0, attempts: RETRIES.length, nextAt: first.clock.now() })

  const second = webhooksOf(reopen(), () => new Error('nothing accepts connections there'))
  await vi.waitUntil(() => !second.webhooks.get(id).enabled)
  const reason = 'nothing accepts connections there, after 12 of 12 tries'
  expect(second.webhooks.get(id)).toMatchObject({ disabledReason: reason, position: 0, nextAt: null })
  expect(second.sent).toHaveLength(1)
  expect(second.webhooks.deliveries(id, 9)).toMatchObject([{ attempt: 12, nextAt: null }, { attempt: 1 }])
  expect(second.journal.page({}, 9).events.at(-1)).toMatchObject({ type: 'webhook.disabled', data: { reason } })
})

test('enabled again it goes on where it was; what the receiver asks for is waited', async () => {
  const { store } = temporaryStore()
  let status = 410
  const { webhooks, sent, clock, happen } = webhooksOf(store, () => ({ status, retryAfterMs: 90_000 }))
  const { id } = await webhooks.create(URL, {})
  happen()
  await vi.waitUntil(() => !webhooks.get(id).enabled)
  expect(webhooks.get(id).disabledReason).toBe('it answered 410, after 1 of 12 tries')
  status = 503
  await webhooks.change(id, { enabled: true }, {})
  await vi.waitUntil(() => webhooks.get(id).attempts === 1)
  expect(webhooks.get(id).nextAt).toBe(clock.now() + 90_000)
  status = 204
  await webhooks.change(id, { enabled: true }, {})
  await vi.waitUntil(() => webhooks.get(id).position === 2)
  expect(sent.map(({ type }) => type)).toEqual([...Array(3).fill('sandbox.created'), 'webhook.disabled'])
})

test('a change that can not be written down changes nothing, and it goes on', async () => {
  const { store } = temporaryStore()
  const { webhooks, sent, happen } = webhooksOf(store, () => ({ status: 200, retryAfterMs: null }))
  const { id } = await webhooks.create(URL, {})
  const save = vi.spyOn(store.webhooks, 'save').mockImplementation(() => {
    throw new Error('disk full')
  })
  await expect(webhooks.change(id, { url: 'https://example.org/' }, {})).rejects.toThrow('disk full')
  save.mockRestore()
  expect(webhooks.get(id).url).toBe(URL.url)
  happen()
  await vi.waitUntil(() => sent.length === 1)
  await webhooks.remove(id)
  expect(store.webhooks.all()).toEqual([])
})

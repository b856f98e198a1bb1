import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { EventPage } from '../../schemas/event.ts'
import type { WebhookCreate, WebhookCreated, WebhookDelivery, WebhookInfo } from '../../schemas/webhook.ts'
import { useServer } from '../support/live.ts'
import { waitFor } from '../support/wait-for.ts'
import { isSigned, useReceiver } from '../support/webhook-receiver.ts'

const live = useServer({ engine: 'local', settings: { K2_WEBHOOK_NETWORKS: '127.0.0.0/8', K2_EVENTS_KEPT: '100' } })
const receiver = useReceiver()

beforeEach(() => {
  receiver.forget()
  receiver.answer = (response) => response.writeHead(204).end()
})

async function hook(request: Partial<WebhookCreate> = {}): Promise<WebhookCreated> {
  const made = await live.api.json<WebhookCreated>('POST', '/webhooks', { url: receiver.url, ...request })
  onTestFinished(async () => void (await live.api.send('DELETE', `/webhooks/${made.webhook_id}`)))
  return made
}

const look = (id: string) => live.api.json<WebhookInfo>('GET', `/webhooks/${id}`)

async function deliveries(id: string): Promise<WebhookDelivery[]> {
  return (await live.api.json<{ deliveries: WebhookDelivery[] }>('GET', `/webhooks/${id}/deliveries`)).deliveries
}

test('what happens is sent in order, signed, as the list of events has it', async () => {
  const { webhook_id: webhookId, secret } = await hook()
  const { sandbox_id: id } = await live.api.create({ name: 'sent' })
  await live.api.action(id, 'pause')
  await live.api.delete(id)
  const sent = await receiver.take(3)
  const { events } = await live.api.json<EventPage>('GET', `/sandboxes/${id}/events`)
  expect(sent.map(({ body }) => body)).toEqual(events.map((event) => ({ ...event, timestamp: event.created_at })))
  for (const one of sent) {
    expect(isSigned(one, secret)).toBe(true)
    expect(isSigned(one, `whsec_${Buffer.alloc(32).toString('base64')}`)).toBe(false)
    expect(one.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-timestamp': expect.stringMatching(/^\d{10}$/),
    })
    expect(Math.abs(Number(one.headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(60)
  }
  expect(new Set(sent.map(({ headers }) => headers['webhook-id'])).size).toBe(3)
  await waitFor('the last', async () => (await look(webhookId)).last_event_id === events.at(-1)?.event_id)
  const tries = await deliveries(webhookId)
  expect(tries).toHaveLength(3)
  expect(tries[0]).toMatchObject({
    type: 'sandbox.deleted',
    attempt: 1,
    delivered: true,
    http_status: 204,
    error: null,
  })
  expect(JSON.stringify(await look(webhookId))).not.toContain(secret.slice(6))
})

test('only events of the types that are asked for are sent, also those from before', async () => {
  const { next } = await live.api.json<EventPage>('GET', '/events?limit=1000')
  const { sandbox_id: id } = await live.api.create()
  await live.api.delete(id)
  await hook({ types: ['sandbox.deleted'], after: next })
  expect((await receiver.next()).body).toMatchObject({ type: 'sandbox.deleted', sandbox_id: id })
})

test('what is not taken is sent again with the same id, and what comes after it waits; a crash in the middle loses nothing', async () => {
  const { webhook_id: webhookId, secret } = await hook()
  receiver.answer = (response) => response.writeHead(302, { location: '/elsewhere' }).end()
  const { sandbox_id: id } = await live.api.create()
  await live.api.delete(id)
  const first = await receiver.next()
  receiver.answer = () => {}
  const failed = await waitFor('its failure', async () => {
    const now = await look(webhookId)
    return now.failed_attempts === 1 ? now : null
  })
  expect(failed.next_attempt_at).not.toBeNull()
  expect((await deliveries(webhookId))[0]).toMatchObject({
    http_status: 302,
    error: 'it answered 302',
    delivered: false,
  })
  const cut = await receiver.next()
  await live.server.kill()
  receiver.answer = (response) => response.writeHead(200).end('x'.repeat(1_000_000))
  await live.server.startAgain()
  const [third, last] = await receiver.take(2)
  if (!third) throw new Error('it is sent again')
  expect(new Set([first, cut, third].map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  expect(third.text).toBe(first.text)
  expect(isSigned(third, secret)).toBe(true)
  expect(last?.body).toMatchObject({ type: 'sandbox.deleted', sandbox_id: id })
  await waitFor('both are taken', async () => (await look(webhookId)).last_event_id === last?.body.event_id)
  expect(await look(webhookId)).toMatchObject({ failed_attempts: 0, next_attempt_at: null })
})

test('a receiver that answers 410 is disabled with an event; enabled, it goes on where it was, or where it is told to', async () => {
  receiver.answer = (response) => response.writeHead(410).end()
  const { webhook_id: webhookId } = await hook({ types: ['sandbox.created', 'sandbox.deleted'] })
  const { sandbox_id: id } = await live.api.create()
  const refused = await receiver.next()
  const off = await waitFor('it is disabled', async () => {
    const now = await look(webhookId)
    return now.enabled ? null : now
  })
  expect(off.disabled_reason).toContain('410')
  const { events } = await live.api.json<EventPage>('GET', '/events?type=webhook.disabled&limit=1000')
  expect(events.at(-1)).toMatchObject({
    sandbox_id: null,
    data: { webhook_id: webhookId, reason: off.disabled_reason },
  })
  receiver.answer = (response) => response.writeHead(200).end()
  await live.api.json('PATCH', `/webhooks/${webhookId}`, { enabled: true })
  expect((await receiver.next()).headers['webhook-id']).toBe(refused.headers['webhook-id'])
  expect(await look(webhookId)).toMatchObject({ enabled: true, disabled_reason: null })
  await live.api.json('PATCH', `/webhooks/${webhookId}`, { after: Number(refused.body.event_id) - 1 })
  expect((await receiver.next()).body.event_id).toBe(refused.body.event_id)
  await live.api.delete(id)
  expect((await receiver.next()).body.type).toBe('sandbox.deleted')
})

test('what is not kept any more is told as a gap', async () => {
  const { webhook_id: webhookId } = await hook({ enabled: false })
  const { sandbox_id: id } = await live.api.create()
  for (let n = 0; n < 150; n++) await live.api.action(id, 'set_timeout', { timeout: 100 + (n % 2) })
  const { last_event_id: after } = await live.api.json<WebhookInfo>('PATCH', `/webhooks/${webhookId}`, {
    enabled: true,
  })
  expect((await receiver.next()).body).toMatchObject({ type: 'gap', data: { after } })
  expect((await receiver.next()).body).toMatchObject({ type: 'sandbox.updated', sandbox_id: id })
  await live.api.json('DELETE', `/webhooks/${webhookId}`)
  await live.api.delete(id)
})

test('a test message tells at once whether the receiver takes it', async () => {
  // What was sent before is over by then.
  const { webhook_id: id, secret } = await hook({ enabled: false })
  receiver.answer = (response, { body }) => response.writeHead(body.type === 'test' ? 418 : 200).end()
  const tried = await live.api.json<WebhookDelivery>('POST', `/webhooks/${id}/test`)
  expect(tried).toMatchObject({
    type: 'test',
    event_id: null,
    delivered: false,
    http_status: 418,
    next_attempt_at: null,
  })
  const sent = await waitFor('the test message', async () => {
    const one = await receiver.next()
    return one.body.type === 'test' ? one : null
  })
  expect(isSigned(sent, secret)).toBe(true)
  const { secret: newer } = await live.api.json<{ secret: string }>('POST', `/webhooks/${id}/secret`)
  expect(newer).not.toBe(secret)
  await live.api.json('POST', `/webhooks/${id}/test`)
  const both = await receiver.next()
  expect([isSigned(both, secret), isSigned(both, newer)]).toEqual([true, true])
  await live.api.json('PATCH', `/webhooks/${id}`, { url: 'http://127.0.0.1:1/' })
  const nobody = await live.api.json<WebhookDelivery>('POST', `/webhooks/${id}/test`)
  expect(nobody).toMatchObject({ delivered: false, http_status: null, error: 'nothing accepts connections there' })
  expect((await deliveries(id)).map(({ delivery_id }) => delivery_id)).toContain(nobody.delivery_id)
})

test('changes that come at once are all made, and each event is sent by one of them', async () => {
  const { webhook_id: id } = await hook()
  const changes = ['a', 'b', 'c', 'd'].map((description) =>
    live.api.json('PATCH', `/webhooks/${id}`, { description, types: ['sandbox.created', 'sandbox.deleted'] }),
  )
  await Promise.all(changes)
  const { sandbox_id: sandbox } = await live.api.create()
  await live.api.delete(sandbox)
  expect((await receiver.take(2)).map(({ body }) => body.type)).toEqual(['sandbox.created', 'sandbox.deleted'])
  await waitFor('both are written down', async () => (await deliveries(id)).length === 2)
})

describe('addresses', () => {
  test.each([
    'http://10.1.2.3/',
    'https://10.1.2.3/',
    'https://169.254.169.254/latest/meta-data/',
    'https://192.168.1.1/',
    'https://[::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https://[::ffff:a00:1]/',
    'https://[fd00::1]/',
    'https://[64:ff9b::a00:1]/',
    'https://[2002:a00:1::]/',
    'https://0/',
    'https://0xa000001/',
    'http://93.184.216.34/',
    'https://user:password@93.184.216.34/',
  ])('%s is refused', async (url) => {
    const problem = await live.api.refused('POST', '/webhooks', { url })
    expect(problem).toMatchObject({ status: 400, code: 'WEBHOOK_URL_REFUSED' })
  })

  test.each(['ftp://example.com/', 'example.com', 'https://a b/', '', 7])('%s is no url', async (url) => {
    expect(await live.api.refused('POST', '/webhooks', { url })).toMatchObject({ code: 'VALIDATION_FAILED' })
  })

  test('what is wrong elsewhere is told, and an id that is none is not found', async () => {
    const { url } = receiver
    for (const wrong of [{ types: ['sandbox.eaten'] }, { secret: 'whsec_short' }, { secret: 'x' }, { what: 1 }]) {
      expect(await live.api.refused('POST', '/webhooks', { url, ...wrong })).toMatchObject({
        code: 'VALIDATION_FAILED',
      })
    }
    for (const id of [`wh_${'x'.repeat(20)}`, 'nothing']) {
      expect(await live.api.refused('GET', `/webhooks/${id}`)).toMatchObject({ code: 'WEBHOOK_NOT_FOUND' })
    }
  })
})

import { Ref } from '../../schemas/typebox.ts'
import {
  WebhookCreate,
  WebhookCreated,
  WebhookDeleted,
  WebhookDelivery,
  WebhookDeliveryList,
  WebhookDeliveryQuery,
  WebhookInfo,
  WebhookList,
  WebhookParams,
  WebhookSecret,
  WebhookSecretRequest,
  WebhookUpdate,
} from '../../schemas/webhook.ts'
import type { CallOptions } from '../core/model.ts'
import type { Delivery, Webhook, WebhookChange, WebhookRequest } from '../core/webhooks/webhook.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { timestamp } from '../http/timestamp.ts'
import { ID } from './examples.ts'

export interface WebhookRoutesOptions {
  webhooks: {
    list(): Webhook[]
    get(id: string): Webhook
    create(request: WebhookRequest, options: CallOptions): Promise<Webhook & { secret: string }>
    change(id: string, change: WebhookChange, options: CallOptions): Promise<Webhook>
    replaceSecret(id: string, secret: string | undefined): Promise<string>
    remove(id: string): Promise<void>
    deliveries(id: string, limit: number): Delivery[]
    test(id: string, options: CallOptions): Promise<Delivery>
  }
}

const DEFAULT_LIMIT = 20

export async function webhookRoutes(app: TypedApp, { webhooks }: WebhookRoutesOptions): Promise<void> {
  app.get('/webhooks', { schema: listWebhooks }, async () => ({ webhooks: webhooks.list().map(webhookAnswer) }))

  app.post('/webhooks', { schema: createWebhook }, async ({ body }, reply) => {
    const { secret, ...webhook } = await webhooks.create(body, { signal: clientGone(reply) })
    return { ...webhookAnswer(webhook), secret }
  })

  app.get('/webhooks/:webhook_id', { schema: getWebhook }, async ({ params }) =>
    webhookAnswer(webhooks.get(params.webhook_id)),
  )

  app.patch('/webhooks/:webhook_id', { schema: updateWebhook }, async ({ params, body }, reply) =>
    webhookAnswer(await webhooks.change(params.webhook_id, body, { signal: clientGone(reply) })),
  )

  app.delete('/webhooks/:webhook_id', { schema: deleteWebhook }, async ({ params: { webhook_id } }) => {
    await webhooks.remove(webhook_id)
    return { webhook_id, status: 'deleted' as const }
  })

  app.post('/webhooks/:webhook_id/secret', { schema: replaceSecret }, async ({ params: { webhook_id }, body }) => ({
    webhook_id,
    secret: await webhooks.replaceSecret(webhook_id, body?.secret),
  }))

  app.post('/webhooks/:webhook_id/test', { schema: testWebhook }, async ({ params }, reply) =>
    deliveryAnswer(await webhooks.test(params.webhook_id, { signal: clientGone(reply) })),
  )

  app.get('/webhooks/:webhook_id/deliveries', { schema: listDeliveries }, async ({ params, query }) => ({
    deliveries: webhooks.deliveries(params.webhook_id, query.limit ?? DEFAULT_LIMIT).map(deliveryAnswer),
  }))
}

const timeOrNull = (at: number | null) => (at === null ? null : timestamp(at))

function webhookAnswer(webhook: Webhook): WebhookInfo {
  const { id, disabledReason, createdAt, position, attempts, nextAt, ...same } = webhook
  return {
    webhook_id: id,
    ...same,
    disabled_reason: disabledReason,
    created_at: timestamp(createdAt),
    last_event_id: position,
    failed_attempts: attempts,
    next_attempt_at: timeOrNull(nextAt),
  }
}

function deliveryAnswer(delivery: Delivery): WebhookDelivery {
  const { id, messageId, eventId, startedAt, durationMs, httpStatus, nextAt, ...same } = delivery
  return {
    delivery_id: id,
    message_id: messageId,
    event_id: eventId,
    ...same,
    attempted_at: timestamp(startedAt),
    duration_ms: durationMs,
    http_status: httpStatus,
    next_attempt_at: timeOrNull(nextAt),
  }
}

const WEBHOOK_ID = `wh_${ID}`
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

const WEBHOOK = {
  webhook_id: WEBHOOK_ID,
  url: 'https://example.com/k2',
  types: ['sandbox.deleted', 'sandbox.failed'],
  description: 'tells the scheduler',
  enabled: true,
  disabled_reason: null,
  created_at: '2026-01-15T09:30:00.000Z',
  last_event_id: 1042,
  failed_attempts: 0,
  next_attempt_at: null,
}

const DELIVERY = {
  delivery_id: 17,
  message_id: `msg_${WEBHOOK_ID}_1042_1768469400000`,
  event_id: 1042,
  type: 'sandbox.deleted',
  attempt: 1,
  attempted_at: '2026-01-15T09:30:00.000Z',
  duration_ms: 31,
  delivered: true,
  http_status: 204,
  error: null,
  next_attempt_at: null,
}

const FAILED = {
  ...DELIVERY,
  delivery_id: 16,
  delivered: false,
  http_status: 503,
  error: 'it answered 503',
  next_attempt_at: '2026-01-15T09:30:01.000Z',
}

const listWebhooks = operation({
  operationId: 'listWebhooks',
  tag: 'events',
  summary: 'List webhooks',
  description: 'Where events are sent, and where each is.',
  answer: Ref(WebhookList),
  answerExamples: { webhooks: { webhooks: [WEBHOOK] } },
  errors: [],
})

const createWebhook = operation({
  operationId: 'createWebhook',
  tag: 'events',
  summary: 'Send events to a URL',
  description:
    'Each event is sent as a POST with the JSON of `GET /events` and its time as `timestamp`, in order, one at a time. An answer of 2xx within 15 s takes it; else it is tried again, eleven times within about a day (after 1 s, 5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 2 h, 4 h, 8 h, 8 h, or as `Retry-After` asks, up to an hour), while later events wait. Then, or at once after a 410, the webhook is disabled, and a `webhook.disabled` event tells so. An event can come twice, after a crash for instance: `webhook-id` is the same then. Redirects are not followed. Where events are not kept any more, a message of type `gap` comes in their place.\n\nMessages are signed as Standard Webhooks has it: `webhook-signature` is `v1,` and, in base64, the HMAC-SHA256 with the secret (what follows `whsec_`, decoded) of `{webhook-id}.{webhook-timestamp}.{body}`; any library of Standard Webhooks checks it.\n\nNothing is sent to addresses that are not on the public internet, unless K2_WEBHOOK_NETWORKS has them; a name is resolved at each connection, by DNS.',
  body: Ref(WebhookCreate),
  requestExamples: {
    ends: { url: 'https://example.com/k2', types: ['sandbox.deleted', 'sandbox.failed'] },
    all: { url: 'https://example.com/k2', after: 0 },
  },
  answer: Ref(WebhookCreated),
  answerExamples: { created: { ...WEBHOOK, secret: SECRET } },
  errors: ['WEBHOOK_URL_REFUSED', 'WEBHOOK_LIMIT_REACHED', 'DISK_FULL'],
})

const getWebhook = operation({
  operationId: 'getWebhook',
  tag: 'events',
  summary: 'Look at a webhook',
  description: 'What it sends, and where it is. Its secret is not shown.',
  params: WebhookParams,
  answer: Ref(WebhookInfo),
  answerExamples: { webhook: WEBHOOK },
  errors: ['WEBHOOK_NOT_FOUND'],
})

const updateWebhook = operation({
  operationId: 'updateWebhook',
  tag: 'events',
  summary: 'Change a webhook',
  description: 'What it is sending is cut off and sent again; an event that failed is tried at once.',
  params: WebhookParams,
  body: Ref(WebhookUpdate),
  requestExamples: { enable: { enabled: true }, leaveOut: { after: 1043 } },
  answer: Ref(WebhookInfo),
  answerExamples: { webhook: WEBHOOK },
  errors: ['WEBHOOK_NOT_FOUND', 'WEBHOOK_URL_REFUSED', 'DISK_FULL'],
})

const deleteWebhook = operation({
  operationId: 'deleteWebhook',
  tag: 'events',
  summary: 'Delete a webhook',
  description: 'Nothing is sent any more when this answers.',
  params: WebhookParams,
  answer: Ref(WebhookDeleted),
  answerExamples: { deleted: { webhook_id: WEBHOOK_ID, status: 'deleted' } },
  errors: ['WEBHOOK_NOT_FOUND', 'DISK_FULL'],
})

const replaceSecret = operation({
  operationId: 'replaceWebhookSecret',
  tag: 'events',
  summary: 'Replace the secret of a webhook',
  description: 'For 24 hours messages have two signatures, the second by the secret before.',
  params: WebhookParams,
  body: Ref(WebhookSecretRequest),
  bodyOptional: true,
  requestExamples: { made: {}, own: { secret: SECRET } },
  answer: Ref(WebhookSecret),
  answerExamples: { secret: { webhook_id: WEBHOOK_ID, secret: SECRET } },
  errors: ['WEBHOOK_NOT_FOUND', 'DISK_FULL'],
})

const testWebhook = operation({
  operationId: 'testWebhook',
  tag: 'events',
  summary: 'Send a test message',
  description: 'Sends a signed message of type `test` once, now and out of order, and answers what came of it.',
  params: WebhookParams,
  answer: Ref(WebhookDelivery),
  answerExamples: { delivered: { ...DELIVERY, event_id: null, type: 'test' }, failed: { ...FAILED, type: 'test' } },
  errors: ['WEBHOOK_NOT_FOUND', 'DISK_FULL'],
})

const listDeliveries = operation({
  operationId: 'listWebhookDeliveries',
  tag: 'events',
  summary: 'List what was sent to a webhook',
  description: 'The latest tries, newest first; 100 are kept.',
  params: WebhookParams,
  querystring: WebhookDeliveryQuery,
  answer: Ref(WebhookDeliveryList),
  answerExamples: { deliveries: { deliveries: [DELIVERY, FAILED] } },
  errors: ['WEBHOOK_NOT_FOUND'],
})

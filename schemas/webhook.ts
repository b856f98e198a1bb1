import { Timestamp } from './common.ts'
import { eventTypes } from './event.ts'
import { Nullable, Ref, type Static, StringEnum, Type } from './typebox.ts'

const WebhookId = Type.String({
  pattern: '^wh_[a-z0-9]{20}$',
  description: 'Id of a webhook: `wh_` and 20 characters of a-z and 0-9.',
  examples: ['wh_4f2k8m1x9q7w3z5c6v0b'],
  'x-error': 'WEBHOOK_NOT_FOUND',
})

export const WebhookParams = Type.Object({ webhook_id: WebhookId })

const Url = (description: string) =>
  Type.String({ maxLength: 2048, pattern: '^https?://[^\\u0000-\\u0020]+$', description })

const url = Url(
  'Where to send: `https://` on the public internet; what K2_WEBHOOK_NETWORKS allows also by `http://`. Without user and password.',
)

const types = Type.Array(StringEnum(eventTypes, { description: 'A type of event.' }), {
  maxItems: eventTypes.length,
  description: 'Only events of these types. Empty or absent: all, also those that come with later versions.',
})

const description = Type.String({ maxLength: 500, description: 'For people.' })

const after = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Events after this `event_id` are sent; 0: all that are kept.',
})

const secret = Type.String({
  maxLength: 100,
  pattern: '^whsec_(?:[A-Za-z0-9+/]{4}){8,21}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$',
  description: 'By which a receiver knows what comes from here: `whsec_` and 24 to 64 random bytes in base64.',
})

export const WebhookCreate = Type.Object(
  {
    url,
    types: Type.Optional(types),
    description: Type.Optional(description),
    enabled: Type.Optional(Type.Boolean({ description: 'Default true. False: nothing is sent until it is true.' })),
    after: Type.Optional({ ...after, description: `${after.description} Absent: what happens from now on.` }),
    secret: Type.Optional({ ...secret, description: `${secret.description} Absent: one is made.` }),
  },
  { $id: 'WebhookCreate', additionalProperties: false, description: 'Where events are to be sent.' },
)
export type WebhookCreate = Static<typeof WebhookCreate>

export const WebhookUpdate = Type.Object(
  {
    url: Type.Optional(url),
    types: Type.Optional(types),
    description: Type.Optional(description),
    enabled: Type.Optional(
      Type.Boolean({
        description:
          'True, where it was false: it goes on with the first event that was not taken. False: it waits there.',
      }),
    ),
    after: Type.Optional({
      ...after,
      description: `${after.description} For sending some again, and for leaving out one that the receiver does not take.`,
    }),
  },
  { $id: 'WebhookUpdate', additionalProperties: false, description: 'What is absent stays.' },
)
export type WebhookUpdate = Static<typeof WebhookUpdate>

const members = {
  webhook_id: WebhookId,
  url: Type.String({ description: 'Where it sends.' }),
  types: Type.Array(Type.String(), { description: 'Types of the events that it sends; empty: all.' }),
  description: Type.String({ description: 'For people.' }),
  enabled: Type.Boolean({ description: 'False: nothing is sent.' }),
  disabled_reason: Nullable(Type.String(), {
    description: 'Why the server disabled it; null where it did not. `enabled: true` tries again.',
  }),
  created_at: Timestamp('When it was made.'),
  last_event_id: Type.Integer({ description: 'The last event that it is done with.' }),
  failed_attempts: Type.Integer({ description: 'How often the next one was not taken so far.' }),
  next_attempt_at: Nullable(Timestamp('When that is tried again; null: at once, or never.')),
}

export const WebhookInfo = Type.Object(members, { $id: 'WebhookInfo', description: 'A webhook, and where it is.' })
export type WebhookInfo = Static<typeof WebhookInfo>

const shownOnce = Type.String({ description: 'Shown now and never again. Receivers check signatures with it.' })

export const WebhookCreated = Type.Object(
  { ...members, secret: shownOnce },
  { $id: 'WebhookCreated', description: 'A new webhook, with its secret.' },
)
export type WebhookCreated = Static<typeof WebhookCreated>

export const WebhookList = Type.Object(
  { webhooks: Type.Array(Ref(WebhookInfo), { description: 'All, oldest first.' }) },
  { $id: 'WebhookList', description: 'Webhooks.' },
)

export const WebhookDeleted = Type.Object(
  { webhook_id: WebhookId, status: StringEnum(['deleted'], { description: 'Always `deleted`.' }) },
  { $id: 'WebhookDeleted', description: 'The webhook is gone.' },
)

export const WebhookSecretRequest = Type.Object(
  { secret: Type.Optional({ ...secret, description: `${secret.description} Absent: one is made.` }) },
  { $id: 'WebhookSecretRequest', additionalProperties: false, description: 'Another secret.' },
)
export type WebhookSecretRequest = Static<typeof WebhookSecretRequest>

export const WebhookSecret = Type.Object(
  { webhook_id: WebhookId, secret: shownOnce },
  { $id: 'WebhookSecret', description: 'The secret from now on.' },
)

export const WebhookDelivery = Type.Object(
  {
    delivery_id: Type.Integer({ description: 'Grows with each try.' }),
    message_id: Type.String({ description: 'The `webhook-id` it was sent with: the same in every try of a message.' }),
    event_id: Nullable(Type.Integer(), { description: 'Of the event; null: it was none.' }),
    type: Type.String({ description: 'Of the event; `test` and `gap` are messages that are no events.' }),
    attempt: Type.Integer({ description: 'Which try it was, from 1.' }),
    attempted_at: Timestamp('When it began.'),
    duration_ms: Type.Integer({ description: 'How long it took.' }),
    delivered: Type.Boolean({ description: 'It was answered with a 2xx.' }),
    http_status: Nullable(Type.Integer(), { description: 'Of the answer; null: there was none.' }),
    error: Nullable(Type.String(), { description: 'Why it counts as failed.' }),
    next_attempt_at: Nullable(Timestamp('When it is tried again; null: it is not.')),
  },
  { $id: 'WebhookDelivery', description: 'One try to send a message.' },
)
export type WebhookDelivery = Static<typeof WebhookDelivery>

export const WebhookDeliveryList = Type.Object(
  { deliveries: Type.Array(Ref(WebhookDelivery), { description: 'Newest first.' }) },
  { $id: 'WebhookDeliveryList', description: 'The latest tries; 100 of each webhook are kept.' },
)

export const WebhookDeliveryQuery = Type.Object(
  { limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'Most tries.' })) },
  { additionalProperties: false },
)

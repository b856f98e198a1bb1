import type { WebhookProgress } from '../../store/webhooks.ts'
import type { CallOptions } from '../model.ts'

/** By which a receiver knows that a message is ours: `whsec_` and 24 to 64 bytes in base64. */
export interface Secret {
  value: string
  /** Unix milliseconds after which nothing is signed with it; null: it stays. */
  until: number | null
}

/** As it is stored. */
export interface WebhookDefinition {
  id: string
  url: string
  /** Event types; none: all. */
  types: string[]
  description: string
  enabled: boolean
  /** Why the server disabled it; null: it did not. */
  disabledReason: string | null
  /** The one in use last. */
  secrets: Secret[]
  createdAt: number
}

/** As the API shows it; never with its secrets. */
export type Webhook = Omit<WebhookDefinition, 'secrets'> & WebhookProgress

export interface WebhookRequest {
  url: string
  types?: string[] | undefined
  description?: string | undefined
  enabled?: boolean | undefined
  /** Events after this one; absent: from now on. */
  after?: number | undefined
  secret?: string | undefined
}

export type WebhookChange = Partial<Omit<WebhookRequest, 'secret'>>

/** One try to deliver a message. */
export interface Delivery {
  id: number
  /** The same in every try. */
  messageId: string
  /** null: a message that is no event. */
  eventId: number | null
  type: string
  /** From 1. */
  attempt: number
  startedAt: number
  durationMs: number
  delivered: boolean
  /** null: there was no answer. */
  httpStatus: number | null
  error: string | null
  /** null: not tried again. */
  nextAt: number | null
}

/** What is sent: the body's text and what names it. */
export interface Message {
  id: string
  eventId: number | null
  type: string
  body: string
}

export interface Posted {
  status: number
  /** What the receiver asked for, as Retry-After. */
  retryAfterMs: number | null
}

/** The way out. Both throw a SandboxError for an address that is not allowed; its sentence is for the caller. */
export interface Outbound {
  /** WEBHOOK_URL_REFUSED: nothing may be sent there. What can't be resolved now is not refused. */
  check(url: string, options: CallOptions): Promise<void>
  /** One POST, without redirects; an answer of any status is one. Throws an Error with a sentence where there was none. */
  post(url: string, request: { headers: Record<string, string>; body: string }, options: CallOptions): Promise<Posted>
}

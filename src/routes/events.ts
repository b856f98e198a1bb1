import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Event as EventAnswer, EventMessage, EventPage, EventQuery } from '../../schemas/event.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { Event, EventPage as Page, EventQuery as Query } from '../core/events/event.ts'
import type { CallOptions } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import type { EndlessAnswers } from '../http/endless.ts'
import { answerLive, type LiveType } from '../http/live-answer.ts'
import { holdLive } from '../http/memory.ts'
import { operation } from '../http/operation.ts'
import { preferredType } from '../http/preferred-type.ts'
import { timestamp } from '../http/timestamp.ts'
import type { MemoryBudget } from '../lib/memory-budget.ts'
import { ID } from './examples.ts'
import { SandboxParams } from './sandbox-id.ts'

export interface EventRoutesOptions {
  events: {
    page(query: Query, limit: number): Page
    follow(
      query: Query,
      on: { onReady: (after: number) => void; onEvent: (event: Event | 'gap') => void | Promise<void> },
      options: CallOptions,
    ): Promise<void>
  }
  memory: MemoryBudget
  endless: EndlessAnswers
  heartbeatMs: number
}

const DEFAULT_LIMIT = 100
const TYPES = ['application/json', 'text/event-stream', 'application/x-ndjson'] as const

export async function eventRoutes(
  app: TypedApp,
  { events, memory, endless, heartbeatMs }: EventRoutesOptions,
): Promise<void> {
  app.get('/events', { schema: listEvents }, async (request, reply) => {
    const query = toQuery(request.query)
    const type = preferredType(request, TYPES)
    if (type === 'application/json') return pageAnswer(events.page(query, request.query.limit ?? DEFAULT_LIMIT))
    return await answerFollowing(request, reply, type, query)
  })

  app.get('/sandboxes/:sandbox_id/events', { schema: listSandboxEvents }, async (request, reply) => {
    const query = { ...toQuery(request.query), sandboxId: request.params.sandbox_id }
    const type = preferredType(request, TYPES)
    if (type === 'application/json') return pageAnswer(events.page(query, request.query.limit ?? DEFAULT_LIMIT))
    return await answerFollowing(request, reply, type, query)
  })

  async function answerFollowing(
    request: FastifyRequest,
    reply: FastifyReply,
    type: LiveType,
    query: Query,
  ): Promise<FastifyReply> {
    holdLive(reply, memory)
    const from = { ...query, after: lastEventId(request) ?? query.after }
    return await answerLive<EventMessage>(request, reply, { type, heartbeatMs }, async (send) => {
      const onReady = (after: number) => void send({ type: 'ready', event_id: after })
      const onEvent = (event: Event | 'gap') => send(event === 'gap' ? { type: 'gap' } : eventAnswer(event))
      await events.follow(from, { onReady, onEvent }, { signal: endless.signal(reply) })
    })
  }
}

function toQuery({ after, type: types }: EventQuery): Query {
  return { after, types }
}

function pageAnswer(page: Page): EventPage {
  return { ...page, events: page.events.map(eventAnswer) }
}

/** Where a browser that lost its stream was. */
function lastEventId({ headers }: FastifyRequest): number | undefined {
  const id = headers['last-event-id']
  return typeof id === 'string' && /^\d{1,15}$/.test(id) ? Number(id) : undefined
}

function eventAnswer({ seq, at, type, sandboxId, data }: Event): EventAnswer {
  return { event_id: seq, type, sandbox_id: sandboxId, created_at: timestamp(at), data }
}

const EVENT = {
  event_id: 1042,
  type: 'sandbox.created',
  sandbox_id: ID,
  created_at: '2026-01-15T09:30:00.000Z',
  data: { name: 'crawler', template: 'k2data/sandbox-base:latest', status: 'running', warm: true },
}

const DESCRIPTION =
  'As JSON (default) a page of what is kept; with `Accept: text/event-stream` or `application/x-ndjson` events as they happen, until the client leaves. Each event is written down together with what it tells, so that none is missing after a crash. A reader that lost its connection goes on after the last `event_id` it had, with `after` or, as an EventSource does by itself, with `Last-Event-ID`. Looking does not count as use.'

const live = {
  event: EventMessage,
  examples: { ready: { type: 'ready', event_id: 1041 }, created: EVENT },
}

const PAGES = { page: { events: [EVENT], next: 1042, gap: false } }

const listEvents = operation({
  operationId: 'listEvents',
  tag: 'events',
  summary: 'What happens to sandboxes',
  description: DESCRIPTION,
  querystring: EventQuery,
  answer: Ref(EventPage),
  answerExamples: PAGES,
  live,
  errors: ['SERVER_BUSY'],
})

const listSandboxEvents = operation({
  operationId: 'listSandboxEvents',
  tag: 'events',
  summary: 'What happens to a sandbox',
  description: `${DESCRIPTION} Those of a deleted sandbox stay as long as they are kept; live, its end is the end of the answer.`,
  params: SandboxParams,
  querystring: EventQuery,
  answer: Ref(EventPage),
  answerExamples: PAGES,
  live,
  errors: ['SANDBOX_NOT_FOUND', 'SERVER_BUSY'],
})

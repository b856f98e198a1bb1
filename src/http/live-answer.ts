/** Answers that come as they happen, as Server-Sent Events (WHATWG HTML 9.2) or as one JSON object a line. */
import { PassThrough } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Problem } from '../../schemas/problem.ts'
import { preferredType } from './preferred-type.ts'
import { logProblem, toError, toProblem } from './problem.ts'

export const LIVE_TYPES = ['text/event-stream', 'application/x-ndjson'] as const
export type LiveType = (typeof LIVE_TYPES)[number]

/** What is waiting for the client beside the socket's own buffer, before the run is slowed down. */
const AHEAD_BYTES = 64 * 1024

export interface LiveEvent {
  type: string
  /** Where a reader goes on after it, one or the other; the `id` of a Server-Sent Event. */
  offset?: number
  event_id?: number
}

/** How events are sent. Await what `send` returns, if anything: the client is slow. */
export type Send<Event extends LiveEvent> = (event: Event) => void | Promise<void>

/** How the client wants it: null unless it prefers events to one JSON document. */
export function liveType(request: Pick<FastifyRequest, 'headers'>): LiveType | null {
  const type = preferredType(request, ['application/json', ...LIVE_TYPES])
  return type === 'application/json' ? null : type
}

/**
 * Answers with what `run` sends. What it throws before the first event is thrown here, and gets an answer of its own; after that
 * it is the last event. `signal` of the caller ends the run when the client leaves: events are thrown away from then on.
 */
export async function answerLive<Event extends LiveEvent>(
  request: FastifyRequest,
  reply: FastifyReply,
  { type, heartbeatMs }: { type: LiveType; heartbeatMs: number },
  run: (send: Send<Event | ProblemEvent>) => Promise<void>,
): Promise<FastifyReply> {
  const out = new PassThrough({ highWaterMark: AHEAD_BYTES })
  const begun = Promise.withResolvers<void>()
  let began = false
  let wake = () => {}
  for (const event of ['drain', 'close', 'error']) out.on(event, () => wake())
  const timer = setTimeout(() => {
    if (began && !out.writableNeedDrain && !out.destroyed) out.write(HEARTBEAT[type])
    timer.refresh()
  }, heartbeatMs)

  const send = (event: Event | ProblemEvent): void | Promise<void> => {
    if (out.destroyed) return
    began = true
    begun.resolve()
    timer.refresh()
    if (out.write(encode(type, event))) return
    return new Promise((resolve) => {
      wake = resolve
    })
  }
  const running = run(send).catch(async (thrown: unknown) => {
    if (!began) throw thrown
    const error = toError(thrown)
    logProblem(error, request)
    await send({ type: 'problem', problem: toProblem(error, request.id) })
  })
  const over = running.finally(() => {
    clearTimeout(timer)
    out.end()
  })
  over.then(begun.resolve, begun.reject)

  await begun.promise
  return reply
    .type(type === 'text/event-stream' ? `${type}; charset=utf-8` : type)
    .headers({ vary: 'accept', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
    .send(out)
}

interface ProblemEvent {
  type: 'problem'
  problem: Problem
}

const HEARTBEAT: Record<LiveType, string> = {
  'text/event-stream': ': heartbeat\n\n',
  'application/x-ndjson': '{"type":"heartbeat"}\n',
}

function encode(type: LiveType, event: LiveEvent): string {
  const json = JSON.stringify(event)
  if (type === 'application/x-ndjson') return `${json}\n`
  const at = event.offset ?? event.event_id
  const id = at === undefined ? '' : `id: ${at}\n`
  return `${id}event: ${event.type}\ndata: ${json}\n\n`
}

/** Bounds what all requests together hold, and how long a client that does not read may hold its part. */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { SandboxError } from '../errors.ts'
import type { MemoryBudget, MemoryLease } from '../lib/memory-budget.ts'
import { clientGone } from './client-gone.ts'
import { hasRawBody } from './raw-body.ts'
import { boundStall } from './stall.ts'

/** Bodies up to this size are not worth counting: the cap on connections bounds them. */
const SMALL_BODY_BYTES = 64 * 1024

/**
 * Refuses bodies that the budget has no room for before they are read (503), and cuts answers of which a client has taken nothing
 * for `stalledMs`.
 */
export function boundMemory(app: FastifyInstance, budget: MemoryBudget, { stalledMs }: { stalledMs: number }): void {
  app.addHook('onRequest', async (request, reply) => {
    if (hasRawBody(request)) return
    const bytes = announcedBytes(request)
    if (bytes <= SMALL_BODY_BYTES || bytes > request.routeOptions.bodyLimit) return
    if (!leaseFor(reply, budget).take(bytes)) throw busy()
  })
  app.addHook('onSend', async (_request, reply, payload) => {
    // A stream may be silent for long, because nothing happens.
    if (payload instanceof Readable) return boundStall(reply.raw, stalledMs)
    // Counts from the last byte that the kernel took; Node sets it anew for the connection's next request.
    reply.raw.setTimeout(stalledMs, () => reply.raw.destroy())
  })
}

/** What a call that may hold much for its answer gets: it ends when the client leaves, and counts until the answer is out. */
export function callOptions(reply: FastifyReply, budget: MemoryBudget): { signal: AbortSignal; memory: MemoryLease } {
  return { signal: clientGone(reply), memory: leaseFor(reply, budget) }
}

/** A slow reader of an answer that comes as it happens has so much waiting for it, and copies of it (see MemoryBudget). */
const LIVE_BYTES = 1024 * 1024

/** The same for an answer that comes as it happens; SERVER_BUSY when there is no room for another reader. */
export function liveOptions(reply: FastifyReply, budget: MemoryBudget): { signal: AbortSignal } {
  holdLive(reply, budget)
  return { signal: clientGone(reply) }
}

/** Its part of the budget alone. SERVER_BUSY */
export function holdLive(reply: FastifyReply, budget: MemoryBudget): void {
  if (!leaseFor(reply, budget).take(LIVE_BYTES)) throw busy()
}

/** A lease that lasts until the answer was written or cut. */
function leaseFor(reply: FastifyReply, budget: MemoryBudget): MemoryLease {
  const lease = budget.lease()
  if (reply.raw.destroyed) lease[Symbol.dispose]()
  else reply.raw.once('close', () => lease[Symbol.dispose]())
  return lease
}

/** A body without a length may be as long as its route allows. */
function announcedBytes({ headers, routeOptions }: FastifyRequest): number {
  const length = headers['content-length']
  if (length !== undefined) return Number(length)
  return headers['transfer-encoding'] === undefined ? 0 : routeOptions.bodyLimit
}

function busy(): SandboxError {
  return new SandboxError(
    'SERVER_BUSY',
    'the server holds as much data for other requests as it may (K2_BUFFER_MB); try again in a moment',
    {
      details: { retryAfterSeconds: 1 },
    },
  )
}

/** Passes one request on to a server in a sandbox, and its answer back, as they come. */
import { type IncomingMessage, request as sendRequest } from 'node:http'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isSandboxError, SandboxError } from '../../errors.ts'
import { boundStall } from '../stall.ts'
import { type Passage, requestHeaders, responseHeaders } from './headers.ts'
import type { TunnelAgent } from './tunnel-agent.ts'

export interface Forward {
  /** A new connection to the port. It is no part of the request: it may outlive it. */
  connect: () => Promise<Duplex>
  agent: TunnelAgent
  passage: Passage
  /** Requests of the same key go to the same server. */
  key: string
  /** As the server in the sandbox sees it: path and query. */
  path: string
  signal: AbortSignal
  stalledMs: number
}

const PRINTABLE = /^[\x20-\x7e]*$/
/** Of an answer of a server in a sandbox. */
const LONGEST_HEADERS_BYTES = 32 * 1024

/** Throws what can still be answered; from the answer's head on a failure cuts the connection. */
export async function forward(request: FastifyRequest, reply: FastifyReply, options: Forward): Promise<FastifyReply> {
  const { passage, signal, stalledMs } = options
  const answer = await ask(request, options)
  const { statusCode = 0 } = answer
  if (statusCode < 200 || statusCode > 999) {
    answer.destroy()
    throw new SandboxError('PORT_BROKEN', `what listens on port ${passage.port} answered with status ${statusCode}`)
  }
  reply.hijack()
  const { raw } = reply
  const headers = responseHeaders(answer.headers, passage)
  headers['x-request-id'] = request.id
  const { statusMessage = '' } = answer
  raw.writeHead(statusCode, PRINTABLE.test(statusMessage) ? statusMessage : '', headers)
  raw.flushHeaders()
  boundStall(raw, stalledMs)
  await pipeline(answer, raw, { signal }).catch(() => raw.destroy())
  return reply
}

/** May be asked twice (RFC 9110, 9.2.1). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

/** The answer's head. A connection that had been kept, and that the server had closed meanwhile, is tried anew where that can do no harm. */
async function ask(request: FastifyRequest, options: Forward): Promise<IncomingMessage> {
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  try {
    return await send(request, options, hasBody)
  } catch (error) {
    if (!(error instanceof Stale)) throw error
    if (hasBody || !SAFE.has(request.method)) throw error.problem
    return await send(request, options, hasBody)
  }
}

/** The connection was an old one. */
class Stale extends Error {
  readonly problem: SandboxError

  constructor(problem: SandboxError) {
    super('a kept connection was closed', { cause: problem })
    this.problem = problem
  }
}

function send({ raw }: FastifyRequest, options: Forward, hasBody: boolean): Promise<IncomingMessage> {
  const { connect, agent, passage, key, path, signal } = options
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const upstream = sendRequest({
    agent,
    tunnelKey: key,
    openTunnel: connect,
    method: raw.method,
    path,
    headers: requestHeaders(raw, passage),
    maxHeaderSize: LONGEST_HEADERS_BYTES,
    setHost: false,
    signal,
  })
  upstream.on('response', resolve)
  // An answer that nobody asked for, as a 101: Node closes such a connection without an error.
  upstream.on('close', () => reject(explain(new Error('closed without an answer'), passage.port, signal)))
  upstream.on('error', (error) => {
    const problem = explain(error, passage.port, signal)
    reject(upstream.reusedSocket && !isSandboxError(error) && !signal.aborted ? new Stale(problem) : problem)
  })
  if (hasBody) {
    raw.pipe(upstream)
    raw.once('close', () => {
      if (!raw.readableEnded) upstream.destroy(new SandboxError('CLIENT_GONE', 'the client went away while sending'))
    })
  } else upstream.end()
  return promise
}

export function explain(error: Error, port: number, signal: AbortSignal): SandboxError {
  if (isSandboxError(error)) return error
  if (signal.aborted) return SandboxError.from(signal.reason)
  return new SandboxError(
    'PORT_BROKEN',
    `what listens on port ${port} closed the connection, or answered what is no HTTP`,
    { cause: error },
  )
}

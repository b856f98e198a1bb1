/** The one place where a failure becomes an HTTP answer: RFC 9457 problem+json, the status from the code. */
import { STATUS_CODES } from 'node:http'
import { finished } from 'node:stream'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Problem } from '../../schemas/problem.ts'
import { type ErrorCode, SandboxError } from '../errors.ts'

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

const HIDDEN = 'internal error; the log has the details under this request id'

const LONGEST_DISCARDED_BYTES = 256 * 1024 * 1024

/** Nobody's fault, and not worth a stack trace. */
const EXPECTED = new Set<ErrorCode>([
  'SHUTTING_DOWN',
  'SERVER_BUSY',
  'SANDBOX_LIMIT_REACHED',
  'PORT_NOT_OPEN',
  'PORT_BROKEN',
  'TUNNEL_LIMIT_REACHED',
  'TOO_MANY_PROCESSES',
])

/** Fastify's own failures in our codes, each with its sentence. */
const FRAMEWORK: Record<string, [ErrorCode, string]> = {
  FST_ERR_CTP_BODY_TOO_LARGE: [
    'PAYLOAD_TOO_LARGE',
    'The request body is larger than the server takes; send less, and what is large as a file',
  ],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['UNSUPPORTED_MEDIA_TYPE', 'Send the body as content-type application/json'],
  FST_ERR_CTP_INVALID_TYPE: ['UNSUPPORTED_MEDIA_TYPE', 'Send the body as content-type application/json'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['INVALID_REQUEST', 'The body is not as long as content-length says'],
  FST_ERR_BAD_URL: ['INVALID_REQUEST', 'The path has a percent sign that does not begin an escape'],
  FST_ERR_MAX_PARAM_LENGTH: ['ROUTE_NOT_FOUND', 'Not Found'],
}

export function answerWithProblems(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply))
}

/** Answers `thrown`, and logs it. What fails behind an answer that has begun is told by live-answer.ts. */
export function sendProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = toError(thrown)
  logProblem(error, request)
  if (error.details.retryAfterSeconds !== undefined)
    reply.header('retry-after', Math.ceil(error.details.retryAfterSeconds))
  const send = () => reply.code(error.status).type(PROBLEM_TYPE).send(toProblem(error, request.id))
  return hasUnreadBody(request) ? answerUpload(error, request, reply, send) : send()
}

/** What was thrown anywhere, as ours. */
export function toError(thrown: unknown): SandboxError {
  return fromFramework(thrown) ?? SandboxError.from(thrown)
}

export function logProblem(error: SandboxError, request: FastifyRequest): void {
  if (error.status >= 500 && !EXPECTED.has(error.code))
    request.log.error({ err: error, code: error.code }, 'request failed')
  else request.log.info({ code: error.code, detail: error.message.slice(0, 500) }, 'request refused')
}

export function toProblem(error: SandboxError, requestId: string): Problem {
  const { errors, output } = error.details
  return {
    type: 'about:blank',
    title: STATUS_CODES[error.status] ?? 'Client Closed Request',
    status: error.status,
    detail: error.code === 'INTERNAL' ? HIDDEN : error.message,
    code: error.code,
    request_id: requestId,
    ...(errors && { errors }),
    ...(output !== undefined && { output }),
  }
}

function fromFramework(thrown: unknown): SandboxError | undefined {
  if (thrown instanceof SandboxError || !(thrown instanceof Error)) return undefined
  const { code, statusCode } = thrown as Partial<FastifyError>
  if (code === 'ECONNRESET')
    return new SandboxError('CLIENT_GONE', 'the client went away while sending', { cause: thrown })
  if (!code?.startsWith('FST_')) return undefined
  const known = FRAMEWORK[code]
  if (known) return new SandboxError(known[0], known[1], { cause: thrown })
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new SandboxError('INVALID_REQUEST', 'The request is malformed', { cause: thrown })
  }
  return undefined
}

/**
 * An upload that is refused before it was read. A connection that is closed under a client who still writes is reset, and many
 * never see the answer. So the rest is read and thrown away: by Node, behind the answer, where the connection is kept, and before
 * the answer where the client wants it closed. The rest of a very long upload, or of one whose length nobody knows, is not read:
 * whoever sends it must not think that the connection is free.
 */
function answerUpload(
  error: SandboxError,
  { raw }: FastifyRequest,
  reply: FastifyReply,
  send: () => FastifyReply,
): FastifyReply {
  const length = Number(raw.headers['content-length'] ?? Number.POSITIVE_INFINITY)
  if (error.code === 'SHUTTING_DOWN' || length > LONGEST_DISCARDED_BYTES) {
    reply.header('connection', 'close')
    return send()
  }
  if (reply.raw.shouldKeepAlive) {
    reply.removeHeader('connection')
    return send()
  }
  raw.resume()
  finished(raw, send) // also when the client leaves, or does not send it in time
  return reply
}

function hasUnreadBody({ raw }: FastifyRequest): boolean {
  const announced = raw.headers['transfer-encoding'] !== undefined || Number(raw.headers['content-length'] ?? 0) > 0
  return announced && raw.complete === false
}

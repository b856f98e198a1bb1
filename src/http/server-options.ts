/** How the HTTP server itself is set up: limits, ids, and answers for requests that never become one. */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { type FastifyBaseLogger, type FastifyServerOptions, LogController } from 'fastify'
import { type ErrorCode, SandboxError } from '../errors.ts'
import type { HttpConfig } from './http-config.ts'
import { PROBLEM_TYPE, sendProblem, toProblem } from './problem.ts'
import { requestId } from './request-id.ts'
import { buildValidator } from './validation.ts'

/** How often Node looks for requests over their time. */
const TIMEOUT_CHECK_MS = 2_000

/** What plugins and hooks may take beside the grace for requests in flight. */
const HOOK_MARGIN_MS = 10_000

export function serverOptions(config: HttpConfig, logger: FastifyBaseLogger | undefined) {
  return {
    ...(logger ? { loggerInstance: logger } : { logger: false }),
    requestIdHeader: false,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: requestId,
    bodyLimit: config.bodyLimitBytes,
    // Counts for hooks at the close, too: they wait for the grace, and then for what they cut.
    pluginTimeout: config.shutdownGraceMs + HOOK_MARGIN_MS,
    requestTimeout: config.requestTimeoutMs,
    keepAliveTimeout: config.keepAliveTimeoutMs,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // graceful-close.ts answers, in our form
    http: {
      maxHeaderSize: config.maxHeaderBytes,
      headersTimeout: config.headersTimeoutMs,
      connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_MS, config.headersTimeoutMs, config.requestTimeoutMs),
    },
    // A path parameter of any length reaches its schema, which answers as for any other wrong one.
    routerOptions: { maxParamLength: config.maxHeaderBytes },
    schemaController: { compilersFactory: { buildValidator } },
    frameworkErrors: (error, request, reply) => {
      reply.header('x-request-id', request.id)
      sendProblem(error, request, reply)
    },
    clientErrorHandler: answerBrokenRequest,
  } satisfies FastifyServerOptions & Record<string, unknown>
}

const BROKEN: Record<string, [ErrorCode, string]> = {
  HPE_HEADER_OVERFLOW: ['HEADERS_TOO_LARGE', 'The request line and headers are larger than the server takes'],
  ERR_HTTP_REQUEST_TIMEOUT: ['REQUEST_TIMEOUT', 'The request took too long to arrive'],
}

/** What Node's parser refused: there is no request, so the answer is written to the socket. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [code, message] = BROKEN[error.code ?? ''] ?? ['INVALID_REQUEST', 'This is not a well-formed HTTP request']
  const problem = new SandboxError(code, message)
  const body = JSON.stringify(toProblem(problem, requestId({ headers: {} })))
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroySoon()
}

/** How the HTTP server itself is set up: limits, ids, parsers. */
import type { IncomingMessage } from 'node:http'
import { type FastifyBaseLogger, type FastifyServerOptions, LogController } from 'fastify'
import { answerBrokenRequest } from './broken-request.ts'
import { compilers } from './first-use.ts'
import type { HttpConfig } from './http-config.ts'
import type { PreviewSites } from './preview-sites.ts'
import { sendProblem } from './problem.ts'
import { requestId } from './request-id.ts'

/** How often Node looks for requests over their time. */
const TIMEOUT_CHECK_MS = 2_000

/** What plugins and hooks may take beside the grace for requests in flight. */
const HOOK_MARGIN_MS = 10_000

export function serverOptions(config: HttpConfig, previews: PreviewSites, logger: FastifyBaseLogger | undefined) {
  return {
    ...(logger ? { loggerInstance: logger } : { logger: false }),
    requestIdHeader: false,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: requestId,
    rewriteUrl: (request) => previews.routeOf(request as IncomingMessage) ?? request.url ?? '/',
    bodyLimit: config.bodyLimitBytes,
    // Counts for hooks at the close, too: they wait for the grace, and then for what they cut.
    pluginTimeout: config.shutdownGraceMs + HOOK_MARGIN_MS,
    requestTimeout: 0, // body-deadline.ts has the limits: an upload may take long
    keepAliveTimeout: config.keepAliveTimeoutMs,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // graceful-close.ts answers, in our form
    http: {
      // All else that asks for another protocol (`h2c` of curl --http2) is an ordinary request, with its body.
      shouldUpgradeCallback: ({ method, headers }: IncomingMessage) =>
        method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket',
      maxHeaderSize: config.maxHeaderBytes,
      headersTimeout: config.headersTimeoutMs,
      connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_MS, config.headersTimeoutMs),
    },
    // A path parameter of any length reaches its schema, which answers as for any other wrong one.
    routerOptions: { maxParamLength: config.maxHeaderBytes },
    schemaController: { compilersFactory: compilers({ atStart: config.compileAtStart }) },
    frameworkErrors: (error, request, reply) => {
      reply.header('x-request-id', request.id)
      sendProblem(error, request, reply)
    },
    clientErrorHandler: answerBrokenRequest,
  } satisfies FastifyServerOptions & Record<string, unknown>
}

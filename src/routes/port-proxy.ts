import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from '../../schemas/typebox.ts'
import type { CallOptions } from '../core/model.ts'
import type { PortAccess } from '../core/ports.ts'
import { type ErrorCode, isSandboxError, SandboxError } from '../errors.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import type { EndlessAnswers } from '../http/endless.ts'
import { operation } from '../http/operation.ts'
import { isPreview } from '../http/preview-sites.ts'
import { type Forward, forward } from '../http/proxy/forward.ts'
import { forwardUpgrade } from '../http/proxy/forward-upgrade.ts'
import { TunnelAgent } from '../http/proxy/tunnel-agent.ts'
import { parseRawBodies } from '../http/raw-body.ts'
import { upgradeOf } from '../http/upgrade.ts'
import { PortParams } from './ports.ts'
import { INSIDE_ERRORS } from './sandbox-id.ts'

export interface PortProxyRoutesOptions {
  ports: { use(id: string, options: CallOptions): Promise<PortAccess> }
  endless: EndlessAnswers
  stalledMs: number
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** A plugin of its own: here every body is a stream of bytes. */
export async function portProxyRoutes(
  app: TypedApp,
  { ports, endless, stalledMs }: PortProxyRoutesOptions,
): Promise<void> {
  app.removeAllContentTypeParsers()
  parseRawBodies(app)
  const agent = new TunnelAgent()
  app.addHook('onClose', async () => agent.destroy())

  for (const method of METHODS) {
    app.route({
      method,
      url: '/sandboxes/:sandbox_id/ports/:port/*',
      exposeHeadRoute: false,
      config: { rawBody: 'any type' },
      // The document says of one method what is true of all.
      schema: method === 'GET' ? proxyPort : { ...proxyPort, hide: true },
      handler: (request, reply) => pass(request as ProxyRequest, reply),
    })
  }

  async function pass(request: ProxyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { sandbox_id: id, port } = request.params
    const upgrade = upgradeOf(request)
    // A request may finish within the server's grace; a WebSocket never would.
    const left = upgrade ? endless.signal(reply) : clientGone(reply)
    using access = await ports.use(id, { signal: left })
    const isSite = isPreview(request.raw)
    const prefix = `/sandboxes/${id}/ports/${port}`
    const { url = '' } = request.raw
    if (!url.startsWith(`${prefix}/`))
      throw new SandboxError('INVALID_REQUEST', 'write the sandbox and the port as they are, without escapes or zeros')
    const options: Forward = {
      connect: () => access.connect(port),
      agent,
      passage: { port, prefix: isSite ? '' : prefix, isSite, clientAddress: request.ip },
      key: `${id}:${port}`,
      path: url.slice(prefix.length),
      signal: AbortSignal.any([left, access.gone]),
      stalledMs,
    }
    try {
      return upgrade ? await forwardUpgrade(request, reply, upgrade, options) : await forward(request, reply, options)
    } catch (error) {
      if (!isSandboxError(error, 'PORT_NOT_OPEN') || !wantsPage(request)) throw error
      return reply.code(502).headers(WAITING_HEADERS).send(waitingPage(port))
    }
  }
}

type ProxyRequest = FastifyRequest<{ Params: Static<typeof PortParams> }>

function wantsPage({ method, headers }: FastifyRequest): boolean {
  return method === 'GET' && (headers.accept ?? '').includes('text/html')
}

const WAITING_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  'retry-after': '1',
}

/** For somebody who opened the page before the server was there: it loads itself again. */
function waitingPage(port: number): string {
  return `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="1"><title>Waiting for port ${port}</title>
<body style="font: 16px system-ui; margin: 20vh auto; max-width: 32em">
<h1 style="font-size: 20px">Nothing listens on port ${port} yet</h1>
<p>This page loads itself again until a server in the sandbox does.</p>
`
}

const ERRORS: ErrorCode[] = [...INSIDE_ERRORS, 'PORT_NOT_OPEN', 'PORT_BROKEN', 'TUNNEL_LIMIT_REACHED']

const proxyPort = operation({
  operationId: 'proxyPort',
  tag: 'ports',
  summary: 'Call a server in the sandbox',
  description:
    "Passes the request, of any method, with its body and a WebSocket too, on to what listens on the port inside the sandbox, whatever the sandbox's network, and its answer back as it comes. The server sees itself called as `localhost`, with X-Forwarded-For, -Host, -Proto and -Prefix. Here, under the origin of the API, credentials and cookies do not pass, and pages are sandboxed: for browsers there is `{port}-{sandbox_id}.{K2_PREVIEW_DOMAIN}`, where each port is an origin of its own. While nothing listens the answer is a 502, for a browser a page that loads itself again. Counts as use of the sandbox.",
  params: PortParams,
  querystring: Type.Object({}, { additionalProperties: true }),
  rawAnswer: { type: 'application/octet-stream', description: 'What the server answered, of whatever type' },
  errors: ERRORS,
})

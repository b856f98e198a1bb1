import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { EgressRefused } from './decision.ts'
import { type EgressRule, type EgressTarget, hostOf, ruleOfName } from './rules.ts'

const TLS_MS = 10_000

/** Headers of one connection only (RFC 9110, 7.6.1), and what is for the proxy. */
const HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
])

export interface PlainTarget extends EgressTarget {
  tls: boolean
  path: string
  /** For the Host header. */
  authority: string
}

/** Where a request to the proxy shall go, null when it is none. `http://` of a rule with `tls` goes to port 443. */
export function plainTarget(rules: readonly EgressRule[], url: string | undefined): PlainTarget | null {
  if (!url || !/^https?:\/\//i.test(url) || !URL.canParse(url)) return null
  const { protocol, hostname, port: asked, pathname, search } = new URL(url)
  const host = hostOf(hostname)
  if (host === null) return null
  const secure = protocol === 'https:'
  const port = Number(asked) || (secure ? 443 : 80)
  const tls = secure || (ruleOfName(rules, { host, port })?.tls ?? false)
  const upgraded = tls && !secure && port === 80 ? 443 : port
  const name = hostname.startsWith('[') ? hostname : host
  const authority = upgraded === (tls ? 443 : 80) ? name : `${name}:${upgraded}`
  return { host, port: upgraded, tls, path: pathname + search, authority }
}

/** What the upstream gets: the request's own headers but for those of one hop, and over them those of the rule. */
export function upstreamHeaders(
  request: IncomingMessage,
  { authority }: PlainTarget,
  more: Record<string, string>,
): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = { ...endToEnd(request), host: authority, connection: 'close' }
  if (request.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked'
  for (const [name, value] of Object.entries(more)) headers[name.toLowerCase()] = value
  return headers
}

export function endToEnd({ headersDistinct }: IncomingMessage): Record<string, string[]> {
  const named = (headersDistinct.connection ?? []).flatMap((value) => value.toLowerCase().split(/\s*,\s*/))
  const kept = Object.entries(headersDistinct).filter(([name]) => !HOP.has(name) && !named.includes(name))
  return Object.fromEntries(kept.map(([name, values]) => [name, values ?? []]))
}

/** TLS over a connection to the address that was checked, with the name's certificate. */
export function secured(socket: Socket, host: string): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
  const tls = connectTls({ socket, servername: host, ALPNProtocols: ['http/1.1'] })
  const timer = setTimeout(() => tls.destroy(new Error('no answer in time')), TLS_MS)
  tls.once('secureConnect', () => resolve(tls))
  tls.on('error', (error: NodeJS.ErrnoException) => {
    socket.destroy()
    reject(new EgressRefused(`TLS to it failed (${error.code ?? error.message})`, true))
  })
  return promise.finally(() => clearTimeout(timer))
}

/** Which headers pass between a client and a server in a sandbox (RFC 9110, 7.6). */
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'

export interface Passage {
  port: number
  /** In front of the path that the server sees; empty on a site of its own. */
  prefix: string
  /** It is a site of its own: cookies and credentials are between its pages and the server. */
  isSite: boolean
  clientAddress: string
}

/** RFC 9110, 7.6.1: of this connection, not of the message. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]
/** The API's own: a server in a sandbox must not see who called. */
const OF_THE_API = ['authorization', 'cookie', 'x-api-key']
/** What a page under the API's origin may not set for all of it. */
const OF_THE_ORIGIN = [
  'accept-ch',
  'alt-svc',
  'clear-site-data',
  'content-security-policy',
  'nel',
  'public-key-pins',
  'report-to',
  'reporting-endpoints',
  'service-worker-allowed',
  'set-cookie',
  'strict-transport-security',
  'www-authenticate',
]

/** For the server in the sandbox, which sees itself as localhost, as when it is called from there. */
export function requestHeaders(request: IncomingMessage, passage: Passage): OutgoingHttpHeaders {
  const { headers } = request
  const host = `localhost:${passage.port}`
  const passed: OutgoingHttpHeaders = { ...headers, host }
  for (const name of [...HOP_BY_HOP, ...named(headers.connection), 'expect', 'x-api-key']) delete passed[name]
  // A body is always framed: of some methods Node would send it bare, and the server take it for the next request.
  if (headers['transfer-encoding'] !== undefined) passed['transfer-encoding'] = 'chunked'
  if (!passage.isSite) for (const name of OF_THE_API) delete passed[name]
  // A page's call to its own server stays one: many servers compare the two.
  if (headers.origin !== undefined && hostOf(headers.origin) === headers.host) passed.origin = `http://${host}`
  passed['x-forwarded-for'] = [headers['x-forwarded-for'], passage.clientAddress].flat().filter(Boolean).join(', ')
  passed['x-forwarded-host'] = headers['x-forwarded-host'] ?? headers.host
  passed['x-forwarded-proto'] = headers['x-forwarded-proto'] ?? 'http'
  if (passage.prefix !== '') passed['x-forwarded-prefix'] = passage.prefix
  return passed
}

/** For the client. Under the API's origin what a page shows is sandboxed (HTML, CSP3 `sandbox`): it has no origin, and reaches nothing of the API's. */
export function responseHeaders(headers: IncomingHttpHeaders, { prefix, isSite }: Passage): OutgoingHttpHeaders {
  const passed: OutgoingHttpHeaders = { ...headers }
  for (const name of [...HOP_BY_HOP, ...named(headers.connection)]) delete passed[name]
  if (isSite) {
    if (headers['set-cookie']) passed['set-cookie'] = headers['set-cookie'].map(withoutDomain)
    return passed
  }
  for (const name of OF_THE_ORIGIN) delete passed[name]
  const { location } = headers
  if (location?.startsWith('/') && !location.startsWith('//')) passed.location = `${prefix}${location}`
  passed['content-security-policy'] = 'sandbox allow-scripts allow-forms allow-downloads'
  passed['x-content-type-options'] = 'nosniff'
  return passed
}

/** A client may not take away what says how long a message is, and for whom. */
const OF_THE_MESSAGE = new Set(['content-length', 'content-type', 'host'])

function named(connection: string | undefined): string[] {
  const names = (connection ?? '').split(',').map((name) => name.trim().toLowerCase())
  return names.filter((name) => !OF_THE_MESSAGE.has(name))
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}

/** A cookie of one site is for no other. */
function withoutDomain(cookie: string): string {
  return cookie.replaceAll(/;\s*domain=[^;]*/gi, '')
}

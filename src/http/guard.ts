/**
 * Keeps web pages away from a server on loopback (DNS rebinding, cross-site requests): a request must name a host of ours,
 * and when a browser says which page sent it, that page must be ours too.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { SandboxError } from '../errors.ts'
import type { HttpConfig } from './http-config.ts'
import { isPreview } from './preview-sites.ts'

const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]']
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i

export function guardOrigins(app: FastifyInstance, config: Pick<HttpConfig, 'allowedHosts' | 'allowedOrigins'>): void {
  const hosts = new Set([...LOOPBACK, ...config.allowedHosts.map((host) => host.toLowerCase())])
  const origins = new Set(config.allowedOrigins.map((origin) => origin.toLowerCase()))
  app.addHook('onRequest', async (request) => {
    // The site of a sandbox is as open as its server is: it has nothing of the API's, and its name nobody guesses.
    if (isPreview(request.raw)) return
    const host = requireHost(request, hosts)
    refuseForeignPage(request, host, origins)
  })
}

/** The Host header, lower case, port included. */
function requireHost(request: FastifyRequest, hosts: Set<string>): string {
  const header = request.headers.host?.toLowerCase() ?? ''
  const name = HOST.exec(header)?.[1]
  if (name === undefined || !hosts.has(name) || countHosts(request.raw.rawHeaders) > 1) {
    throw new SandboxError(
      'HOST_NOT_ALLOWED',
      `This server is not "${header.slice(0, 128)}"; call it as localhost, or add the name to K2_ALLOWED_HOSTS`,
    )
  }
  return header
}

function countHosts(rawHeaders: string[]): number {
  return rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length
}

function refuseForeignPage({ method, headers }: FastifyRequest, host: string, origins: Set<string>): void {
  const origin = headers.origin?.toLowerCase()
  const isOwn =
    origin === undefined || origin === `http://${host}` || origin === `https://${host}` || origins.has(origin)
  // Following a link to /docs from elsewhere is a cross-site GET too; its page can't read the answer.
  const followsLink =
    method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
  const isCrossSite =
    headers['sec-fetch-site'] === 'cross-site' && !followsLink && !(origin !== undefined && origins.has(origin))
  if (!isOwn || isCrossSite) {
    throw new SandboxError(
      'ORIGIN_NOT_ALLOWED',
      'Web pages of other origins may not call this server; add the origin to K2_ALLOWED_ORIGINS if it is yours',
    )
  }
}

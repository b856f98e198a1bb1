/** Web sites of sandboxes: `{port}-{sandbox id}.{domain}` is the origin of one port alone, apart from the API's and from all others. */
import type { IncomingMessage } from 'node:http'

const SITE = /^([1-9]\d{0,4})-([a-z0-9]{20})\.(.+?)(:\d{1,5})?$/

const sites = new WeakSet<IncomingMessage>()

/** Whether the request was made to such a site: it is the sandbox's, and never one to the API. */
export function isPreview(request: IncomingMessage): boolean {
  return sites.has(request)
}

export class PreviewSites {
  readonly #domain: string

  /** An empty domain: there are none. */
  constructor(domain: string) {
    this.#domain = domain.toLowerCase()
  }

  /** The address of a port's site, as the client that calls this host reaches it; null without a domain. */
  urlOf(id: string, port: number, host: string | undefined): string | null {
    if (this.#domain === '') return null
    const ownPort = /:\d{1,5}$/.exec(host ?? '')?.[0] ?? ''
    return `http://${port}-${id}.${this.#domain}${ownPort}/`
  }

  /** The route that serves a request to a site, whatever its path; undefined for one to the API. For `rewriteUrl`. */
  routeOf(request: IncomingMessage): string | undefined {
    const [, port, id, domain] = SITE.exec(request.headers.host?.toLowerCase() ?? '') ?? []
    if (this.#domain === '' || domain !== this.#domain) return undefined
    sites.add(request)
    const { url = '' } = request
    return `/sandboxes/${id}/ports/${port}${url.startsWith('/') ? url : '/'}`
  }
}

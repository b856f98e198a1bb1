import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { type BlockList, isIP, type LookupFunction } from 'node:net'
import { SandboxError } from '../errors.ts'
import { isIn, networksOf } from '../lib/networks.ts'
import { isPublic } from '../lib/public-address.ts'
import { resolveName } from './resolve-name.ts'
import { sentenceOf } from './sentence-of.ts'

export interface Posted {
  status: number
  /** What the receiver asked for, as Retry-After; null: nothing. */
  retryAfterMs: number | null
}

interface PostRequest {
  headers: Record<string, string>
  body: string
}

interface CallOptions {
  signal?: AbortSignal | undefined
}

/** Kept open for the next request. */
const IDLE_MS = 10_000
/** Of an answer; what is longer, or comes later, is cut off. */
const ANSWER_BYTES = 64 * 1024
const BODY_MS = 1000
const USER_AGENT = 'k2-sandbox-webhooks/1'

/**
 * Requests to addresses that callers chose. Every connection goes to an address that was checked: a public one over TLS, or one of
 * the networks that are allowed. No redirects, no proxy, no cookies, nothing of the answer but its status.
 */
export class Outbound {
  readonly #allowed: BlockList
  readonly #agents = {
    'http:': new HttpAgent({ keepAlive: true, maxSockets: 100, maxFreeSockets: 50, timeout: IDLE_MS }),
    'https:': new HttpsAgent({ keepAlive: true, maxSockets: 100, maxFreeSockets: 50, timeout: IDLE_MS }),
  }

  /** `allowedNetworks`: beside the public internet, and without TLS. */
  constructor({ allowedNetworks }: { allowedNetworks: readonly string[] }) {
    this.#allowed = networksOf(allowedNetworks)
  }

  /** WEBHOOK_URL_REFUSED: nothing may be sent there. A name that can't be resolved now is not refused. */
  async check(text: string, { signal }: CallOptions): Promise<void> {
    const url = parse(text)
    const host = hostOf(url)
    const addresses = isIP(host) ? [host] : await resolveName(host, { signal }).catch(() => [])
    signal?.throwIfAborted()
    for (const address of addresses) this.#require(url, address)
  }

  /** Any status is an answer. Throws an Error with a sentence for the caller where there is none, WEBHOOK_URL_REFUSED included. */
  async post(text: string, request: PostRequest, { signal }: CallOptions): Promise<Posted> {
    const url = parse(text)
    const host = hostOf(url)
    // An address is connected to without a look-up.
    if (isIP(host)) this.#require(url, host)
    for (let again = true; ; again = false) {
      const sent = this.#send(url, request, signal)
      try {
        return await sent.answer
      } catch (error) {
        // The receiver may have closed a connection that was kept just then.
        if (again && sent.reused() && (error as NodeJS.ErrnoException).code === 'ECONNRESET') continue
        throw error instanceof SandboxError ? error : new Error(sentenceOf(error), { cause: error })
      }
    }
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy()
  }

  #send(url: URL, { headers, body }: PostRequest, signal: AbortSignal | undefined) {
    const { promise: answer, resolve, reject } = Promise.withResolvers<Posted>()
    const secure = url.protocol === 'https:'
    const request = (secure ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      agent: this.#agents[secure ? 'https:' : 'http:'],
      lookup: this.#lookup(url),
      headers: { ...headers, 'user-agent': USER_AGENT, 'content-length': Buffer.byteLength(body) },
      ...(signal && { signal }),
    })
    request.on('error', reject)
    request.on('response', (response) => {
      let sizeBytes = 0
      const status = response.statusCode ?? 0
      const retryAfterMs = retryAfter(response.headers['retry-after'])
      response.on('data', (chunk: Buffer) => {
        sizeBytes += chunk.length
        if (sizeBytes > ANSWER_BYTES) response.destroy()
      })
      // The status is the answer: its body may last as it likes, elsewhere.
      const patience = setTimeout(() => response.destroy(), BODY_MS)
      response.on('error', () => {})
      response.on('close', () => {
        clearTimeout(patience)
        resolve({ status, retryAfterMs })
      })
    })
    request.end(body)
    return { answer, reused: () => request.reusedSocket }
  }

  /** Gives checked addresses only, so that the connection can't go to another. */
  #lookup(url: URL): LookupFunction {
    return (host, { all }, callback) => {
      resolveName(host, {})
        .then((addresses) => {
          for (const address of addresses) this.#require(url, address)
          const found = addresses.map((address) => ({ address, family: isIP(address) }))
          const [first] = found
          if (all) callback(null, found)
          else callback(null, first?.address ?? '', first?.family)
        })
        .catch((error: NodeJS.ErrnoException) => callback(error, []))
    }
  }

  #require(url: URL, address: string): void {
    if (isIn(this.#allowed, address)) return
    if (!isPublic(address)) {
      throw refused(
        'it leads to an address that is not on the public internet; K2_WEBHOOK_NETWORKS can allow its network',
      )
    }
    if (url.protocol !== 'https:') throw refused('it has to begin with https://')
  }
}

function parse(text: string): URL {
  if (!URL.canParse(text)) throw refused('it is none; write it as https://example.com/path')
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refused('it has to begin with https://')
  if (url.username !== '' || url.password !== '') throw refused('it may not hold a user or a password')
  return url
}

function refused(why: string): SandboxError {
  return new SandboxError('WEBHOOK_URL_REFUSED', `nothing is sent to this url: ${why}`)
}

/** Without the brackets of version 6. */
const hostOf = ({ hostname }: URL) => hostname.replace(/^\[(.*)\]$/, '$1')

/** Seconds or a date. */
function retryAfter(text: string | undefined): number | null {
  if (text === undefined) return null
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return ms > 0 ? ms : null
}

import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Duplex, pipeline } from 'node:stream'
import { EgressRefused } from './decision.ts'
import type { EgressRule, EgressTarget } from './rules.ts'
import { answerSocks, nextChunk, readSocksRequest, SOCKS_ANSWER } from './socks.ts'
import { endToEnd, plainTarget, secured, upstreamHeaders } from './upstream.ts'

/** The sandbox that a connection comes from. */
export interface EgressSource {
  rules(): readonly EgressRule[]
  /** Checks, dials and writes down what came of it. Throws EgressRefused. */
  open(protocol: 'http' | 'connect' | 'socks5', target: EgressTarget, from: Duplex): Promise<Socket>
  /** Of the list, for a request that the server makes. */
  headersFor(target: EgressTarget): Record<string, string>
}

const FIRST_BYTE_MS = 60_000
const IDLE_MS = 600_000
const MOST_HEADER_BYTES = 32 * 1024

/**
 * Speaks HTTP (plain requests and CONNECT) and SOCKS5 with programs in sandboxes, over connections that their agents
 * accepted. All that comes is hostile input: Node's parser reads it, with limits, and each connection ends by itself.
 */
export class EgressFront {
  readonly #server: Server
  readonly #sources = new WeakMap<Duplex, EgressSource>()

  constructor() {
    this.#server = createServer({ maxHeaderSize: MOST_HEADER_BYTES, keepAliveTimeout: 60_000 })
    this.#server.maxHeadersCount = 100
    this.#server.on('request', (request, response) => void this.#plain(request, response))
    this.#server.on('connect', (request, stream, head) => void this.#connect(request, stream, head))
    this.#server.on('clientError', (_, stream) => void stream.destroy())
  }

  /** Serves one connection; resolves when it has ended. Never rejects. */
  async serve(stream: Duplex, source: EgressSource): Promise<void> {
    stream.on('error', () => undefined)
    const closed = new Promise<void>((resolve) => void stream.once('close', resolve))
    const timer = setTimeout(() => stream.destroy(), FIRST_BYTE_MS)
    try {
      const first = await nextChunk(stream)
      clearTimeout(timer)
      stream.unshift(first)
      if (first[0] === 5) await this.#socks(stream, source)
      else {
        this.#sources.set(stream, source)
        this.#server.emit('connection', stream)
      }
    } catch {
      stream.destroy()
    } finally {
      clearTimeout(timer)
    }
    await closed
  }

  async #socks(stream: Duplex, source: EgressSource): Promise<void> {
    const target = await readSocksRequest(stream)
    try {
      const socket = await source.open('socks5', target, stream)
      answerSocks(stream, SOCKS_ANSWER.ok)
      join(stream, socket)
    } catch (error) {
      const unreachable = error instanceof EgressRefused && error.unreachable
      answerSocks(stream, unreachable ? SOCKS_ANSWER.unreachable : SOCKS_ANSWER.refused)
      stream.end()
    }
  }

  async #connect(request: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> {
    const source = this.#sources.get(stream)
    // As a URL, so that names and addresses are read as everywhere.
    const target = plainTarget([], `https://${request.url}/`)
    if (source === undefined || target === null || !/:\d+$/.test(request.url ?? '')) {
      stream.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
      return
    }
    try {
      const socket = await source.open('connect', { host: target.host, port: target.port }, stream)
      stream.write('HTTP/1.1 200 Connection established\r\n\r\n')
      if (head.length > 0) stream.unshift(head)
      join(stream, socket)
    } catch (error) {
      const [status, text] = refusalOf(error, target)
      stream.end(
        `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
      )
    }
  }

  async #plain(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const source = this.#sources.get(request.socket)
    const target = source === undefined ? null : plainTarget(source.rules(), request.url)
    if (source === undefined || target === null) {
      response.writeHead(400, { 'content-type': 'text/plain', connection: 'close' })
      response.end('this is a proxy: it takes whole addresses, as http://example.com/, and CONNECT\n')
      return
    }
    try {
      const socket = await source.open('http', { host: target.host, port: target.port }, request.socket)
      response.once('close', () => socket.destroy())
      const connection = target.tls ? await secured(socket, target.host) : socket
      const headers = upstreamHeaders(request, target, source.headersFor(target))
      const options = {
        method: request.method,
        path: target.path,
        headers,
        setHost: false,
        maxHeaderSize: MOST_HEADER_BYTES,
      }
      const upstream = httpRequest({ ...options, createConnection: () => connection })
      upstream.once('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, endToEnd(answer))
        pipeline(answer, response, () => undefined)
      })
      upstream.on('error', (error: NodeJS.ErrnoException) =>
        fail(response, new EgressRefused(`the answer was cut (${error.code ?? 'error'})`, true), target),
      )
      pipeline(request, upstream, () => undefined)
    } catch (error) {
      fail(response, error, target)
    }
  }
}

function fail(response: ServerResponse, error: unknown, target: EgressTarget): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const [status, text] = refusalOf(error, target)
  // What is left of its body is not read.
  response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' })
  response.end(text)
}

function refusalOf(error: unknown, { host, port }: EgressTarget): [number, string] {
  if (!(error instanceof EgressRefused)) return [502, `${host}:${port}: the connection failed\n`]
  return [error.unreachable ? 502 : 403, `${host}:${port}: ${error.message}\n`]
}

/** Both ways, each with its own end, until both have ended or one is cut, or nothing moves for long. */
function join(stream: Duplex, socket: Socket): void {
  socket.setTimeout(IDLE_MS, () => socket.destroy())
  stream.once('close', () => socket.destroy())
  socket.once('close', () => stream.destroy())
  pipeline(stream, socket, () => undefined)
  pipeline(socket, stream, () => undefined)
}

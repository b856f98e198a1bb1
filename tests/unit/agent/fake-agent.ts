import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { connect, createServer as createSocketServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'

export interface FakeRequest {
  method: string
  path: string
  query: URLSearchParams
  stream: ServerHttp2Stream
  /** The whole request body. */
  body(): Promise<Buffer>
}

export type FakeHandler = (request: FakeRequest) => void | Promise<void>

export const INFO = { version: 'fake', protocol: 1, boot_id: 'boot-1', started_at: 1, pid: 1, processes: 0 }

export function statusOf(id: string, change: object = {}): object {
  return {
    id,
    pid: 7,
    argv: ['true'],
    cwd: '/',
    user: '0:0',
    state: 'running',
    started_at: 1000,
    ended_at: null,
    exit_code: null,
    signal: null,
    reason: null,
    cpu_seconds: 0.5,
    peak_memory_bytes: 4096,
    wall_seconds: 1.5,
    output_bytes: 0,
    dropped_bytes: 0,
    leftovers: 0,
    ...change,
  }
}

export const exited = (id: string, change: object = {}) =>
  statusOf(id, { state: 'exited', ended_at: 2000, exit_code: 0, reason: 'exited', ...change })

export function frame(type: number, payload: Uint8Array | string | object): Buffer {
  const bytes =
    payload instanceof Uint8Array
      ? payload
      : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))
  const header = Buffer.alloc(8)
  header[0] = type
  header.writeUInt32BE(bytes.length, 4)
  return Buffer.concat([header, bytes])
}

export function answer({ stream }: FakeRequest, status: number, body?: object): void {
  stream.respond({ ':status': status, 'content-type': 'application/json' })
  stream.end(body === undefined ? undefined : JSON.stringify(body))
}

/** A peer of the client's that says whatever a test wants it to: Node's HTTP/2 server on a real unix socket. */
export class FakeAgent implements AsyncDisposable {
  readonly sessions: ServerHttp2Session[] = []
  readonly sockets = new Set<Socket>()
  readonly requests: string[] = []
  readonly #server: Http2Server
  readonly #listener: Server
  readonly #folder: string

  private constructor(server: Http2Server, listener: Server, folder: string) {
    this.#server = server
    this.#listener = listener
    this.#folder = folder
  }

  /** `routes`: by `METHOD /path`; GET /v1/info is there unless given. What is not there never answers. */
  static async start(routes: Record<string, FakeHandler>): Promise<FakeAgent> {
    const folder = await mkdtemp(join(tmpdir(), 'k2-fake-'))
    const server = createServer({ settings: { initialWindowSize: 8 << 20, maxFrameSize: 1 << 20 } })
    const listener = createSocketServer((socket) => server.emit('connection', socket))
    const agent = new FakeAgent(server, listener, folder)
    listener.on('connection', (socket) => {
      agent.sockets.add(socket)
      socket.on('error', () => {}).on('close', () => agent.sockets.delete(socket))
    })
    server.on('session', (session) => {
      agent.sessions.push(session)
      session.on('error', () => {})
    })
    server.on('sessionError', () => {})
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {})
      const url = new URL(String(headers[':path']), 'http://agent')
      const method = String(headers[':method'])
      agent.requests.push(`${method} ${url.pathname}`)
      const request: FakeRequest = {
        method,
        path: url.pathname,
        query: url.searchParams,
        stream,
        body: async () => {
          const chunks: Buffer[] = []
          for await (const chunk of stream) chunks.push(chunk as Buffer)
          return Buffer.concat(chunks)
        },
      }
      const handler = routes[`${method} ${url.pathname}`]
      if (handler !== undefined) void handler(request)
      else if (url.pathname === '/v1/info') answer(request, 200, INFO)
    })
    listener.listen(join(folder, 's'))
    await once(listener, 'listening')
    return agent
  }

  async connect(): Promise<Duplex> {
    const socket = connect(join(this.#folder, 's'))
    await once(socket, 'connect')
    return socket
  }

  /** The connections are cut, as when the sandbox is killed. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    for (const session of this.sessions) session.destroy()
    this.#server.close()
    this.#listener.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

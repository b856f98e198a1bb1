/** WebSockets (RFC 6455) with bounds: what a client sends waits until it is taken, and what it does not take is waited for. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { requireUpgrade, takeConnection } from './upgrade.ts'

const LONGEST_MESSAGE_BYTES = 1024 * 1024
/** RFC 6455, 5.5: a control frame's payload has at most 125 bytes, two of them the code. */
const LONGEST_REASON_BYTES = 123
const CLOSE_WITHIN_MS = 5000

/** RFC 6455, 7.4.1. */
export const CLOSE = { normal: 1000, goingAway: 1001, failed: 1011 } as const

export interface SocketOptions {
  /** Subprotocols we speak; the first that the client names is taken, none is fine. */
  protocols?: string[]
  heartbeatMs: number
  /** A client that takes nothing for so long is cut. */
  stalledMs: number
}

export interface Message {
  bytes: Buffer
  isText: boolean
}

/** One end of a WebSocket that this server has accepted. */
export class Socket {
  readonly #socket: WebSocket
  readonly #stalledMs: number
  readonly closed: Promise<void>

  constructor(socket: WebSocket, { heartbeatMs, stalledMs }: SocketOptions) {
    this.#socket = socket
    this.#stalledMs = stalledMs
    const mostMisses = Math.max(1, Math.ceil(stalledMs / heartbeatMs))
    let misses = 0
    socket.on('pong', () => {
      misses = 0
    })
    socket.on('error', () => socket.terminate())
    const timer = setInterval(() => {
      // While we do not read, its answers wait with the rest.
      if (socket.isPaused) misses = 0
      if (misses++ >= mostMisses) return socket.terminate()
      socket.ping()
    }, heartbeatMs)
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        clearInterval(timer)
        resolve()
      })
    })
  }

  /** The subprotocol that was agreed on, empty for none. */
  get protocol(): string {
    return this.#socket.protocol
  }

  /** Each message in order; the next is read when the one before was taken. Must be called before anything is awaited. */
  onMessage(take: (message: Message) => void | Promise<void>): void {
    const socket = this.#socket
    socket.on('message', (data: RawData, isBinary: boolean) => {
      const wait = take({ bytes: toBuffer(data), isText: !isBinary })
      if (wait === undefined) return
      socket.pause()
      wait.then(
        () => socket.resume(),
        () => socket.terminate(),
      )
    })
  }

  /** Resolves when the kernel has it. A client that takes nothing is cut. Throws nothing away but for a closed socket. */
  send(data: Uint8Array | string): Promise<void> {
    const socket = this.#socket
    if (socket.readyState !== socket.OPEN) return Promise.resolve()
    return new Promise((resolve) => {
      const late = setTimeout(() => socket.terminate(), this.#stalledMs)
      socket.send(data, () => {
        clearTimeout(late)
        resolve()
      })
    })
  }

  /** Says why, and waits a while for the client to agree. Idempotent. */
  async close(code: number, reason: string): Promise<void> {
    const socket = this.#socket
    socket.close(code, cut(reason))
    socket.resume()
    const late = setTimeout(() => socket.terminate(), CLOSE_WITHIN_MS)
    await this.closed
    clearTimeout(late)
  }
}

/** Accepts the WebSocket that the request asks for: from here on nothing can be answered but over it. UPGRADE_REQUIRED. */
export function acceptSocket(request: FastifyRequest, reply: FastifyReply, options: SocketOptions): Promise<Socket> {
  const upgrade = requireUpgrade(request, reply)
  const connection = takeConnection(reply, upgrade)
  const { protocols = [] } = options
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: LONGEST_MESSAGE_BYTES,
    perMessageDeflate: false,
    handleProtocols: (offered) => [...offered].find((one) => protocols.includes(one)) ?? false,
  })
  return new Promise((resolve, reject) => {
    connection.once('close', () => reject(new Error('the connection ended in the handshake')))
    server.handleUpgrade(request.raw, connection, upgrade.head, (socket) => {
      connection.setMaxListeners(0)
      resolve(new Socket(socket, options))
    })
  })
}

function toBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data)
}

/** Not inside a character. */
function cut(reason: string): string {
  if (Buffer.byteLength(reason) <= LONGEST_REASON_BYTES) return reason
  return new TextDecoder().decode(Buffer.from(reason).subarray(0, LONGEST_REASON_BYTES - 3), { stream: true })
}

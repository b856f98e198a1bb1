import { timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'

const HELLO_LIMIT_MS = 5000

/**
 * Where one sandbox's agent dials in (agent/README.md, "Dial hello"). It has one connection at a time; the answer to its hello
 * is held back until somebody takes the connection.
 */
export class AgentSocket {
  readonly #server: Server
  readonly #hello: Buffer
  readonly #sockets = new Set<Socket>()
  #ready: Socket | null = null
  #taken: Socket | null = null
  #waiting = Promise.withResolvers<void>()

  private constructor(token: string) {
    this.#hello = Buffer.from(`K2AGENT/1 ${token}\n`)
    this.#server = createServer((socket) => this.#greet(socket)).unref()
  }

  /** Replaces a socket that an earlier server left. */
  static async open(path: string, token: string): Promise<AgentSocket> {
    await rm(path, { force: true })
    const socket = new AgentSocket(token)
    socket.#server.listen(path)
    await once(socket.#server, 'listening')
    return socket
  }

  /** Resolves when the agent has dialled and waits, or is connected. Rejects with the signal's reason. */
  async ready(signal: AbortSignal): Promise<void> {
    while (this.#ready === null && this.#taken === null) {
      signal.throwIfAborted()
      const { promise: aborted, reject } = Promise.withResolvers<never>()
      const onAbort = () => reject(signal.reason)
      signal.addEventListener('abort', onAbort)
      try {
        await Promise.race([this.#waiting.promise, aborted])
      } finally {
        signal.removeEventListener('abort', onAbort)
      }
    }
  }

  /** The agent's next connection. The one before is ended: who asks has lost it. */
  async take(signal: AbortSignal): Promise<Duplex> {
    this.#taken?.destroy()
    this.#taken = null
    await this.ready(signal)
    const socket = this.#ready
    if (socket === null) return this.take(signal)
    this.#ready = null
    this.#taken = socket
    socket.write('OK\n')
    return socket
  }

  /** Stops listening and ends all connections. Idempotent. */
  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #greet(socket: Socket): void {
    this.#sockets.add(socket)
    let received = Buffer.alloc(0)
    const timer = setTimeout(() => socket.destroy(), HELLO_LIMIT_MS).unref()
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      this.#sockets.delete(socket)
      if (this.#ready === socket) this.#ready = null
      if (this.#taken === socket) this.#taken = null
    })
    const onData = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < this.#hello.length) return
      clearTimeout(timer)
      socket.off('data', onData).pause()
      if (received.length !== this.#hello.length || !timingSafeEqual(received, this.#hello)) {
        socket.destroy()
        return
      }
      this.#ready?.destroy()
      this.#ready = socket
      this.#waiting.resolve()
      this.#waiting = Promise.withResolvers()
    }
    socket.on('data', onData)
  }
}

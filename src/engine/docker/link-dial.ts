import { timingSafeEqual } from 'node:crypto'
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** Agents and whoever else in a sandbox dials: so many may be in the middle of their hello. */
const MOST_STRANGERS = 8
const HELLO_MS = 5000
const ANSWER = 'OK\n'

interface Waiter {
  resolve(socket: Duplex): void
}

/**
 * The server's end of one sandbox's `dial` link: a unix socket in the sandbox's own host folder.
 * A peer proves itself with the token (agent/README.md, "Dial hello"); the answer is held back until `next` takes the
 * connection, so that the agent's HTTP/2 server starts its clocks only when somebody talks to it. One connection at a
 * time: while one lives, others are closed as soon as they come.
 */
export class DialLink {
  readonly #server: Server
  readonly #expected: Buffer
  readonly #strangers = new Set<Socket>()
  #waiters: Waiter[] = []
  /** Proved itself, not taken yet. */
  #ready: Socket | null = null
  /** Taken by a caller. */
  #taken: Socket | null = null
  #onReady: (() => void)[] = []

  /** Resolves when the socket listens. A stale socket file of an earlier server is replaced. */
  static async open(path: string, token: string): Promise<DialLink> {
    rmSync(path, { force: true })
    const link = new DialLink(token)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    link.#server.once('error', reject)
    link.#server.listen(path, resolve)
    await promise
    link.#server.off('error', reject)
    link.#server.on('error', () => undefined)
    chmodSync(path, 0o600)
    return link
  }

  private constructor(token: string) {
    this.#expected = Buffer.from(`K2AGENT/1 ${token}\n`)
    this.#server = createServer((socket) => this.#greet(socket))
    // The listener alone must not keep a server alive that wants to end.
    this.#server.unref()
  }

  /** Whether an agent has proved itself and waits to be taken, or is in use. */
  get connected(): boolean {
    return this.#ready !== null || this.#taken !== null
  }

  /** Resolves as soon as an agent has proved itself; rejects with the signal's reason. */
  async ready(signal: AbortSignal): Promise<void> {
    if (this.connected) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = (): void => reject(signal.reason)
    this.#onReady.push(resolve)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      signal.throwIfAborted()
      await promise
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#onReady = this.#onReady.filter((one) => one !== resolve)
    }
  }

  /** The next connection of the agent. One that was taken before is given up: who asks again has lost it. Rejects with the signal's reason. */
  async next(signal: AbortSignal): Promise<Duplex> {
    signal.throwIfAborted()
    this.#giveUp(this.#taken)
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>()
    const waiter: Waiter = { resolve }
    const onAbort = (): void => {
      this.#waiters = this.#waiters.filter((one) => one !== waiter)
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    this.#waiters.push(waiter)
    this.#handOut()
    try {
      return await promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /**
   * Call before the sandbox is started, and the result after: it cuts what is left of a connection to the run before,
   * which would keep the new agent out.
   */
  markRun(): () => void {
    const before = this.#taken
    return () => this.#giveUp(before)
  }

  #giveUp(socket: Socket | null): void {
    if (socket === null) return
    if (this.#taken === socket) this.#taken = null
    socket.destroy()
  }

  /** Stops listening and cuts every connection. Idempotent. */
  close(): void {
    this.#server.close()
    for (const socket of [...this.#strangers, this.#ready, this.#taken]) socket?.destroy()
  }

  #greet(socket: Socket): void {
    socket.on('error', () => undefined)
    if (this.#taken !== null || this.#strangers.size >= MOST_STRANGERS) {
      socket.destroy()
      return
    }
    this.#strangers.add(socket)
    const timer = setTimeout(() => socket.destroy(), HELLO_MS)
    let hello = Buffer.alloc(0)
    const onReadable = (): void => {
      const chunk: Buffer | null = socket.read()
      if (chunk === null) return
      hello = Buffer.concat([hello, chunk.subarray(0, this.#expected.length + 1 - hello.length)])
      if (hello.length < this.#expected.length) return
      // Leaves the socket as if nobody had read from it, unlike pause().
      socket.off('readable', onReadable)
      clearTimeout(timer)
      this.#strangers.delete(socket)
      if (this.#proves(hello)) this.#accept(socket)
      else socket.destroy()
    }
    socket.on('readable', onReadable)
    socket.on('close', () => {
      clearTimeout(timer)
      this.#strangers.delete(socket)
      if (this.#ready === socket) this.#ready = null
      if (this.#taken === socket) this.#taken = null
    })
  }

  #proves(hello: Buffer): boolean {
    return hello.length === this.#expected.length && timingSafeEqual(hello, this.#expected)
  }

  /** The agent has one connection at a time, so a newer one means that it gave the older one up. */
  #accept(socket: Socket): void {
    if (this.#taken !== null) {
      socket.destroy()
      return
    }
    this.#ready?.destroy()
    this.#ready = socket
    for (const tell of this.#onReady) tell()
    this.#handOut()
  }

  #handOut(): void {
    const socket = this.#ready
    if (socket === null || this.#taken !== null) return
    const waiter = this.#waiters.shift()
    if (waiter === undefined) return
    this.#ready = null
    this.#taken = socket
    socket.write(ANSWER)
    waiter.resolve(socket)
  }
}

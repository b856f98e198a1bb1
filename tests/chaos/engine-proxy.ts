import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createConnection, createServer, type Server, type Socket } from 'node:net'

/** `pass`; `slow`: every piece waits; `stall`: nothing gets through, nothing is refused; `cut`: connections end and none is taken. */
export type ProxyMode = { kind: 'pass' } | { kind: 'slow'; delayMs: number } | { kind: 'stall' } | { kind: 'cut' }

/** The server's way to the engine's socket, which can be made a bad one. */
export class EngineProxy implements AsyncDisposable {
  readonly path: string
  readonly #target: string
  readonly #sockets = new Set<Socket>()
  #server: Server | null = null
  #mode: ProxyMode = { kind: 'pass' }
  /** What waits for a stall's end. */
  #resume: (() => void)[] = []

  private constructor(path: string, target: string) {
    this.path = path
    this.#target = target
  }

  static async open(path: string, target: string): Promise<EngineProxy> {
    const proxy = new EngineProxy(path, target)
    await proxy.#listen()
    return proxy
  }

  async set(mode: ProxyMode): Promise<void> {
    this.#mode = mode
    if (mode.kind === 'cut') {
      for (const socket of this.#sockets) socket.destroy()
      this.#server?.close()
      this.#server = null
      await rm(this.path, { force: true })
    } else if (this.#server === null) await this.#listen()
    if (mode.kind !== 'stall') for (const go of this.#resume.splice(0)) go()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.set({ kind: 'cut' })
  }

  async #listen(): Promise<void> {
    await rm(this.path, { force: true })
    const server = createServer({ allowHalfOpen: true }, (client) => this.#join(client))
    server.listen(this.path)
    await once(server, 'listening')
    this.#server = server
  }

  #join(client: Socket): void {
    const engine = createConnection({ path: this.#target, allowHalfOpen: true })
    for (const [from, to] of [
      [client, engine],
      [engine, client],
    ] as const) {
      this.#sockets.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      void this.#copy(from, to)
    }
  }

  async #copy(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const piece of from) {
        await this.#pass()
        if (to.destroyed) return
        if (!to.write(piece)) await once(to, 'drain')
      }
      await this.#pass()
      to.end()
    } catch {
      to.destroy()
    }
  }

  async #pass(): Promise<void> {
    const mode = this.#mode
    if (mode.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, mode.delayMs))
    if (mode.kind === 'stall') await new Promise<void>((resolve) => this.#resume.push(resolve))
  }
}

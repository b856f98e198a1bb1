import { Agent, type ClientRequest, type ClientRequestArgs } from 'node:http'
import type { Duplex } from 'node:stream'

declare module 'node:http' {
  interface ClientRequestArgs {
    /** Opens a connection to where the request goes. */
    openTunnel?: () => Promise<Duplex>
    /** Requests of the same key may share connections. */
    tunnelKey?: string
  }
}

/** Most servers keep an idle connection for 5 s. */
const IDLE_MS = 3000
const MOST_IDLE = 8

/** Keeps connections through tunnels for the next request, as an agent for sockets does. */
export class TunnelAgent extends Agent {
  readonly #timers = new WeakMap<Duplex, NodeJS.Timeout>()

  constructor() {
    super({ keepAlive: true, maxFreeSockets: MOST_IDLE })
  }

  override getName({ tunnelKey }: ClientRequestArgs = {}): string {
    return tunnelKey ?? ''
  }

  override createConnection(
    options: ClientRequestArgs,
    done?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    const { openTunnel } = options
    if (!openTunnel) throw new Error('a request without a tunnel')
    openTunnel().then(
      (stream) => done?.(null, stream),
      (error: Error) => done?.(error, undefined as unknown as Duplex),
    )
    return undefined
  }

  override keepSocketAlive(stream: Duplex): boolean {
    this.#timers.set(
      stream,
      setTimeout(() => stream.destroy(), IDLE_MS),
    )
    return true
  }

  override reuseSocket(stream: Duplex, request: ClientRequest): void {
    clearTimeout(this.#timers.get(stream))
    super.reuseSocket(stream, request)
  }
}

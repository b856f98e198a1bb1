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
  /** How an idle connection is given to a request again. */
  readonly #wakes = new WeakMap<Duplex, () => void>()

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

  /** Until it is used again: gone with its time, and as soon as the server ends it or says anything. */
  override keepSocketAlive(stream: Duplex): boolean {
    const drop = () => stream.destroy()
    const timer = setTimeout(drop, IDLE_MS)
    stream.on('end', drop).on('data', drop)
    this.#wakes.set(stream, () => {
      clearTimeout(timer)
      stream.off('end', drop).off('data', drop)
    })
    return true
  }

  override reuseSocket(stream: Duplex, request: ClientRequest): void {
    this.#wakes.get(stream)?.()
    super.reuseSocket(stream, request)
  }
}

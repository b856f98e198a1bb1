import type { Duplex } from 'node:stream'
import type { LiveSandboxes } from './live.ts'
import type { CallOptions, ListeningPort } from './model.ts'
import type { Registry } from './registry.ts'
import { requireRunning } from './require-running.ts'
import type { Wake } from './wake.ts'

/** One use of a sandbox's ports: the sandbox counts as used until it is disposed. */
export interface PortAccess extends Disposable {
  /** Aborts when the sandbox's run ends. */
  readonly gone: AbortSignal
  /**
   * A connection to what listens on the port inside the sandbox, whatever its network; it outlives the use, and ends with the
   * sandbox's run. PORT_NOT_OPEN, TUNNEL_LIMIT_REACHED.
   */
  connect(port: number, options?: CallOptions): Promise<Duplex>
}

/** What listens in a sandbox, and ways to it. */
export class Ports {
  readonly #registry: Registry
  readonly #live: LiveSandboxes
  readonly #wake: Wake

  constructor(parts: { registry: Registry; live: LiveSandboxes; wake: Wake }) {
    this.#registry = parts.registry
    this.#live = parts.live
    this.#wake = parts.wake
  }

  /** SANDBOX_NOT_FOUND, SANDBOX_STATE_CONFLICT. */
  async use(id: string, { signal }: CallOptions = {}): Promise<PortAccess> {
    const use = await this.#wake.use(id, { signal })
    const { record } = use
    return {
      gone: use.gone,
      connect: async (port, { signal } = {}) => {
        const client = await this.#live.client(record, { signal })
        return await client.openTunnel(port, { signal })
      },
      [Symbol.dispose]: () => use[Symbol.dispose](),
    }
  }

  /** One for each address that is listened on, by port. Does not count as use. */
  async list(id: string, { signal }: CallOptions = {}): Promise<ListeningPort[]> {
    const client = await this.#live.client(requireRunning(this.#registry, id), { signal })
    return await client.listPorts({ signal })
  }

  /** Those of one port, as soon as there is one or after the time; empty: nothing listens. Counts as use. */
  async wait(id: string, port: number, waitMs: number, { signal }: CallOptions = {}): Promise<ListeningPort[]> {
    using use = await this.#wake.use(id, { signal })
    const { record, gone } = use
    const bounded = signal ? AbortSignal.any([signal, gone]) : gone
    const client = await this.#live.client(record, { signal: bounded })
    const { ports } = await client.waitForPort(port, waitMs, { signal: bounded })
    return ports.filter((one) => one.port === port)
  }
}

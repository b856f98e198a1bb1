import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { SandboxError } from '../errors.ts'
import { untilAborted } from '../lib/deadline.ts'
import { agentUnavailable } from './agent-errors.ts'
import { AgentClient, type ConnectOptions } from './client.ts'
import type { CallOptions } from './types.ts'

export interface LinkOptions extends Omit<ConnectOptions, 'signal'> {
  /** For one opening, with its retries. */
  openTimeoutMs?: number
  /** The first pause between two tries of one opening; doubles up to a second. */
  backoffMs?: number
}

interface Opening {
  readonly client: Promise<AgentClient>
  readonly end: AbortController
  waiting: number
}

/**
 * The one live connection to a sandbox's agent: opened when first asked for, once for all who ask at the same time, and again
 * by the first who asks after a loss.
 */
export class AgentLink {
  readonly #connect: (options: { signal: AbortSignal }) => Promise<Duplex>
  readonly #options: LinkOptions
  #client: AgentClient | null = null
  #opening: Opening | null = null
  #closed: SandboxError | null = null

  /** `connect` gives a new connection each time; it is tried again when it fails with AGENT_UNAVAILABLE. */
  constructor(connect: (options: { signal: AbortSignal }) => Promise<Duplex>, options: LinkOptions = {}) {
    this.#connect = connect
    this.#options = options
  }

  /** The live client. AGENT_UNAVAILABLE when the agent is not reached in time, else what `connect` throws, or the signal's reason. */
  async client({ signal }: CallOptions = {}): Promise<AgentClient> {
    signal?.throwIfAborted()
    if (this.#closed !== null) throw this.#closed
    if (this.#client !== null && this.#client.loss === null) return this.#client
    this.#opening ??= this.#open()
    return this.#join(this.#opening, signal)
  }

  /** The live client, null where there is none at the moment. */
  get connected(): AgentClient | null {
    return this.#client?.loss === null ? this.#client : null
  }

  /** Ends the connection and every call on it; later calls throw the error. Idempotent. */
  close(error: SandboxError = agentUnavailable('the connection to the sandbox was closed')): void {
    if (this.#closed !== null) return
    this.#closed = error
    this.#opening?.end.abort(error)
    this.#client?.destroy(error)
  }

  /** Waits with the others; the last one to leave ends the opening. */
  async #join(opening: Opening, signal: AbortSignal | undefined): Promise<AgentClient> {
    opening.waiting++
    try {
      return await untilAborted(opening.client, signal)
    } finally {
      if (--opening.waiting === 0 && this.#opening === opening) {
        opening.end.abort(agentUnavailable('nobody waits for the sandbox any more'))
        this.#opening = null
      }
    }
  }

  #open(): Opening {
    const end = new AbortController()
    const client = this.#tryUntilLate(end.signal).then(
      (opened) => {
        if (end.signal.aborted) {
          opened.destroy(SandboxError.from(end.signal.reason))
          throw end.signal.reason
        }
        this.#client = opened
        this.#opening = null
        return opened
      },
      (error: unknown) => {
        if (this.#opening?.end === end) this.#opening = null
        throw error
      },
    )
    // Its waiters may all have left; what they are told is theirs.
    client.catch(() => {})
    return { client, end, waiting: 0 }
  }

  async #tryUntilLate(ended: AbortSignal): Promise<AgentClient> {
    const { openTimeoutMs = 15_000, backoffMs = 20, ...connectOptions } = this.#options
    const signal = AbortSignal.any([ended, AbortSignal.timeout(openTimeoutMs)])
    let pauseMs = backoffMs
    let last: SandboxError | null = null
    for (;;) {
      try {
        const connection = await this.#connect({ signal })
        return await AgentClient.connect(connection, { ...connectOptions, signal })
      } catch (error) {
        if (ended.aborted) throw ended.reason
        const retry = error instanceof SandboxError && error.code === 'AGENT_UNAVAILABLE'
        if (!retry && !signal.aborted) throw error
        if (retry) last = error
      }
      if (!signal.aborted) await sleep(pauseMs, undefined, { signal }).catch(() => {})
      if (ended.aborted) throw ended.reason
      if (signal.aborted) throw last ?? agentUnavailable(`the sandbox was not reached within ${openTimeoutMs} ms`)
      pauseMs = Math.min(1000, pauseMs * 2)
    }
  }
}

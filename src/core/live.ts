import type { AgentClient } from '../agent/client.ts'
import { AgentLink } from '../agent/link.ts'
import type { Engine } from '../engine/types.ts'
import { SandboxError } from '../errors.ts'
import type { CallOptions } from './model.ts'
import type { SandboxRecord } from './record.ts'

/** What exists in this process for a sandbox that runs: one link to its agent, and a signal that ends its calls when it ends. */
export interface LiveSandbox {
  readonly link: AgentLink
  /** Aborts with a SandboxError that says why when the sandbox stops, dies or is deleted. */
  readonly gone: AbortSignal
}

interface Entry extends LiveSandbox {
  readonly end: AbortController
}

/** One entry per run of a sandbox: begins with its start, ends with its stop. Links are opened on first use and reopened after a loss. */
export class LiveSandboxes {
  readonly #engine: Engine
  readonly #entries = new Map<string, Entry>()
  /** Told each time the agent of a sandbox was reached. */
  onReached: ((record: SandboxRecord) => void) | null = null

  constructor({ engine }: { engine: Engine }) {
    this.#engine = engine
  }

  /** The entry of a sandbox, made when there is none. */
  of(record: SandboxRecord): LiveSandbox {
    return this.#entries.get(record.id) ?? this.#begin(record)
  }

  /** The agent of a running sandbox: opens or reopens the link. AGENT_UNAVAILABLE when it can't be reached. */
  async client(record: SandboxRecord, { signal }: CallOptions = {}): Promise<AgentClient> {
    const { link, gone } = this.of(record)
    gone.throwIfAborted()
    const client = await link.client({ signal: signal ? AbortSignal.any([signal, gone]) : gone })
    this.onReached?.(record)
    return client
  }

  /** The agent's client where the link stands, without opening it; null where it does not. */
  connected(id: string): AgentClient | null {
    return this.#entries.get(id)?.link.connected ?? null
  }

  /** Ends every call on the sandbox with `why` and drops the link. The next `of` begins anew. */
  end(id: string, why: SandboxError): void {
    const entry = this.#entries.get(id)
    if (!entry) return
    this.#entries.delete(id)
    entry.end.abort(why)
    entry.link.close()
  }

  /** Drops all links; the sandboxes run on. */
  close(): void {
    const why = new SandboxError('SHUTTING_DOWN', 'the server is stopping; the sandbox runs on', {
      details: { retryAfterSeconds: 5 },
    })
    for (const id of [...this.#entries.keys()]) this.end(id, why)
  }

  #begin(record: SandboxRecord): Entry {
    const end = new AbortController()
    const link = new AgentLink(({ signal }) => {
      if (record.ref === null) throw new SandboxError('AGENT_UNAVAILABLE', 'the sandbox has not been made yet')
      return this.#engine.connect(record.id, record.ref, { signal })
    })
    const entry = { link, gone: end.signal, end }
    this.#entries.set(record.id, entry)
    return entry
  }
}

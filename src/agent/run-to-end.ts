import { setTimeout as sleep } from 'node:timers/promises'
import { SandboxError } from '../errors.ts'
import { untilAborted } from '../lib/deadline.ts'
import { agentUnavailable, isLinkLost } from './agent-errors.ts'
import type { AgentClient } from './client.ts'
import type { AgentLink } from './link.ts'
import type { CallOptions, OutputEvent, OutputStream, ProcessStatus, StartProcess, StartRun } from './types.ts'

export interface RunOptions extends CallOptions {
  /** Once, when the agent has taken it; it may wait its turn. The stream waits for a promise it returns. */
  onStart?: ((status: ProcessStatus) => void | Promise<void>) | undefined
  /** Each event once and in order, without `status` and `ended`. The stream waits for a promise it returns. */
  onOutput: (event: OutputEvent) => void | Promise<void>
  /** How long after a loss, without a byte more, it is tried to go on. Shorter than the agent keeps ended processes. */
  resumeMs?: number
}

const FIRST_PAUSE_MS = 10
const LONGEST_PAUSE_MS = 1000

/**
 * Starts a process, or a run of code in a context, and follows it to its end, over lost connections too: output goes on at the byte where it was cut, and the
 * process is started once. AGENT_UNAVAILABLE when the connection does not come back in time or the sandbox was restarted in
 * between. The signal ends the following; the process runs on until it is killed.
 */
export function runToEnd(
  link: AgentLink,
  request: StartProcess | StartRun,
  options: RunOptions,
): Promise<ProcessStatus> {
  return followOver(link, new Run(request, options), options)
}

/** The same for what was started before: from an offset of its output on. PROCESS_NOT_FOUND. */
export function followToEnd(
  link: AgentLink,
  { id, offset }: { id: string; offset: number },
  options: RunOptions,
): Promise<ProcessStatus> {
  return followOver(link, new Run({ id, offset }, options), options)
}

async function followOver(
  link: AgentLink,
  run: Run,
  { signal, resumeMs = 30_000 }: RunOptions,
): Promise<ProcessStatus> {
  let client = await link.client({ signal })
  const { bootId } = client
  let pauseMs = FIRST_PAUSE_MS
  let deadline: number | null = null
  for (;;) {
    const before = run.offset
    try {
      return await run.follow(client)
    } catch (error) {
      signal?.throwIfAborted()
      if (!isLinkLost(error)) throw error
      if (run.offset > before || deadline === null) {
        deadline = performance.now() + resumeMs
        pauseMs = FIRST_PAUSE_MS
      } else if (performance.now() > deadline) throw error
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => signal?.throwIfAborted())
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
    client = await reopen(link, deadline, signal)
    if (client.bootId !== bootId) throw restarted()
  }
}

/** A new client, or the error of the last try after the deadline. */
async function reopen(link: AgentLink, deadline: number, signal: AbortSignal | undefined): Promise<AgentClient> {
  const limit = AbortSignal.timeout(Math.max(1, Math.ceil(deadline - performance.now())))
  const late = agentUnavailable('the connection to the sandbox was lost and did not come back in time')
  try {
    return await untilAborted(link.client({ signal: signal ? AbortSignal.any([signal, limit]) : limit }), signal)
  } catch (error) {
    signal?.throwIfAborted()
    throw limit.aborted && !(error instanceof SandboxError) ? late : error
  }
}

/** How far one process has been followed. */
class Run {
  readonly #request: StartProcess | StartRun | { id: string; offset: number }
  readonly #options: RunOptions
  /** `unknown`: a start was sent, and the connection was lost before an answer. */
  #start: 'not sent' | 'unknown' | 'confirmed' = 'not sent'
  #told = false
  offset = 0

  constructor(request: StartProcess | StartRun | { id: string; offset: number }, options: RunOptions) {
    this.#request = request
    this.#options = options
    if ('offset' in request) {
      this.#start = 'confirmed'
      this.offset = request.offset
    }
  }

  async follow(client: AgentClient): Promise<ProcessStatus> {
    const output = await this.#open(client)
    this.#start = 'confirmed'
    for await (const event of output) {
      if (event.type === 'ended') return event.status
      if (event.type === 'status') {
        if (!this.#told) await this.#options.onStart?.(event.status)
        this.#told = true
        continue
      }
      if (event.type === 'dropped' || event.type === 'event') this.offset += event.sizeBytes
      else if (event.type !== 'time') this.offset += event.bytes.length
      const wait = this.#options.onOutput(event)
      if (wait !== undefined) await wait
    }
    throw agentUnavailable('the output of the process has no end')
  }

  async #open(client: AgentClient): Promise<OutputStream> {
    if (this.#start === 'not sent') return this.#startNow(client)
    const resumed = await this.#resume(client)
    if (resumed !== null) return resumed
    if (this.#start === 'confirmed') throw this.#told ? restarted() : neverThere(this.#request.id)
    try {
      return await this.#startNow(client)
    } catch (error) {
      // The lost connection's request may have reached the agent after all, behind our back.
      const late = isLinkLost(error) ? null : await this.#resume(client)
      if (late !== null) return late
      throw error
    }
  }

  async #startNow(client: AgentClient): Promise<OutputStream> {
    this.#start = 'unknown'
    const options = { signal: this.#options.signal }
    if ('offset' in this.#request) throw neverThere(this.#request.id)
    if ('contextId' in this.#request) return await client.startRun(this.#request, options)
    const { output } = await client.startProcess(this.#request, options)
    return output
  }

  get #withTime(): boolean {
    return 'offset' in this.#request || (this.#request.time ?? false)
  }

  /** null when the agent does not know the process. */
  async #resume(client: AgentClient): Promise<OutputStream | null> {
    const { signal } = this.#options
    const { id } = this.#request
    try {
      return await client.followOutput(id, this.offset, { signal, time: this.#withTime })
    } catch (error) {
      if (error instanceof SandboxError && error.code === 'PROCESS_NOT_FOUND') return null
      throw error
    }
  }
}

function neverThere(id: string): SandboxError {
  return new SandboxError('PROCESS_NOT_FOUND', `no process "${id}": it was never started, or ended too long ago`)
}

function restarted(): SandboxError {
  return agentUnavailable('the sandbox was restarted while the program ran, so its end is not known')
}

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { runToEnd } from '../agent/run-to-end.ts'
import type { OutputEvent, ProcessStatus, StartRun } from '../agent/types.ts'
import { isSandboxError, SandboxError } from '../errors.ts'
import { newProcessId } from '../lib/ids.ts'
import type { LiveSandboxes } from './live.ts'
import type { Log } from './log.ts'
import type { CallOptions, Reason, Usage } from './model.ts'
import { pathInside } from './paths.ts'
import { type ProgramExecution, toProcess } from './program-execution.ts'
import type { SandboxRecord } from './record.ts'
import type { Wake } from './wake.ts'

/** The agent enforces a timeout; this much later the server does, should the agent not. */
const TIMEOUT_MARGIN_MS = 15_000
const KILL_LIMIT_MS = 10_000
/** The link of a sandbox that ends breaks a moment before the engine says why. */
const GONE_LIMIT_MS = 1000

/** One run of code in a context, to its end. `cwd` and `envs` hold for it alone. */
export interface CellExecution {
  contextId: string
  code: string
  cwd?: string | undefined
  envs?: Record<string, string> | undefined
  /** From its turn on. 0 or absent: none. */
  timeoutMs?: number | undefined
  /** Of one display, all forms together. */
  displayBytes: number
  checkTypes?: boolean | undefined
}

/** How it ended. */
export interface Ended {
  processId: string
  exitCode: number
  reason: Reason
  signal: string | null
  usage: Usage
  /** Bytes the agent could not keep until they were read. */
  droppedBytes: number
  /** Of a run in a context: see CodeResult. */
  stateLost: boolean
  startedAt: number
  finishedAt: number
}

export interface ExecutionOptions extends CallOptions {
  /** When the agent has taken it, before any output. */
  onStart?: ((status: ProcessStatus) => void | Promise<void>) | undefined
  /** What it gives. A promise slows it down. */
  onOutput: (event: OutputEvent) => void | Promise<void>
  /** It runs on when the client leaves, or this server stops. */
  detach?: boolean | undefined
}

export interface ExecutionParts {
  live: LiveSandboxes
  wake: Wake
  log: Log
}

/**
 * Runs programs for commands and code alike. Output goes to `onOutput` as it comes, each byte once, also over a lost link. When
 * the client leaves, the program and all it started are killed, unless it is to run on.
 */
export class Executions {
  readonly #parts: ExecutionParts
  readonly #kills = new Set<Promise<void>>()
  /** One a run: aborted by `close`. A signal that all runs share would keep a trace of each. */
  readonly #running = new Set<AbortController>()

  constructor(parts: ExecutionParts) {
    this.#parts = parts
  }

  async run(id: string, execution: ProgramExecution | CellExecution, options: ExecutionOptions): Promise<Ended> {
    const { live, wake } = this.#parts
    using use = await wake.use(id, options)
    const { record, gone } = use
    const { link } = live.of(record)
    const processId = newProcessId()
    // A cell's time begins with its turn, which only the agent knows.
    const timeoutMs = 'contextId' in execution ? 0 : execution.timeoutMs || 0
    const late = timeoutMs > 0 ? AbortSignal.timeout(timeoutMs + TIMEOUT_MARGIN_MS) : undefined
    const end = new AbortController()
    this.#running.add(end)
    const signals = [gone, end.signal, options.signal, late].filter((signal) => signal !== undefined)
    const signal = AbortSignal.any(signals)
    const request =
      'contextId' in execution ? toRun(record, processId, execution) : toProcess(record, processId, execution)
    try {
      const { onStart, onOutput } = options
      return toEnded(await runToEnd(link, request, { signal, onStart, onOutput }))
    } catch (error) {
      if (isLoss(error)) await abortedWithin(gone, GONE_LIMIT_MS)
      if (gone.aborted) throw gone.reason
      if (signal.aborted && (late?.aborted || !options.detach)) {
        const kill = this.#kill(record, processId)
        this.#kills.add(kill)
        void kill.finally(() => this.#kills.delete(kill))
      }
      if (late?.aborted)
        throw new SandboxError(
          'AGENT_UNAVAILABLE',
          `the sandbox's agent did not end the program after ${timeoutMs} ms; restart the sandbox`,
        )
      throw error
    } finally {
      this.#running.delete(end)
    }
  }

  /** Ends what still runs as if its clients had left, and waits until it is killed. */
  async close(): Promise<void> {
    const why = new SandboxError('SHUTTING_DOWN', 'the server is stopping', { details: { retryAfterSeconds: 5 } })
    for (const end of this.#running) end.abort(why)
    // Their callers hear of it in this turn, and begin the kills.
    await nextTurn()
    await Promise.all(this.#kills)
  }

  /** The owner of a kill that nobody waits for; never rejects. */
  async #kill(record: SandboxRecord, processId: string): Promise<void> {
    const signal = AbortSignal.timeout(KILL_LIMIT_MS)
    try {
      const client = await this.#parts.live.client(record, { signal })
      // A sandbox that is busy beyond its share may need more than one.
      while (!(await client.killProcess(processId, 'killed', { signal })).complete) signal.throwIfAborted()
    } catch (err) {
      if (err instanceof SandboxError && err.code === 'PROCESS_NOT_FOUND') return
      this.#parts.log.warn(
        { sandbox: record.id, process: processId, err },
        'could not kill a process whose client has left',
      )
    }
  }
}

function toRun(record: SandboxRecord, id: string, execution: CellExecution): StartRun {
  const { contextId, code, cwd, envs = {}, timeoutMs, displayBytes, checkTypes } = execution
  return {
    id,
    contextId,
    code,
    cwd: cwd ? pathInside(record.cwd, cwd) : undefined,
    env: envs,
    timeoutMs,
    displayBytes,
    checkTypes,
    time: true,
  }
}

/** What a sandbox that is ending looks like from its link. */
function isLoss(error: unknown): boolean {
  return (
    isSandboxError(error, 'AGENT_UNAVAILABLE') ||
    isSandboxError(error, 'SANDBOX_STATE_CONFLICT') ||
    isSandboxError(error, 'SANDBOX_NOT_FOUND')
  )
}

async function abortedWithin(signal: AbortSignal, withinMs: number): Promise<void> {
  if (!signal.aborted) await sleep(withinMs, undefined, { signal }).catch(() => undefined)
}

/** How a process ended that has. */
export function toEnded(status: ProcessStatus): Ended {
  return {
    processId: status.id,
    exitCode: status.exitCode ?? -1,
    reason: status.reason ?? 'exited',
    signal: status.signal,
    usage: usageOf(status),
    droppedBytes: status.droppedBytes,
    stateLost: status.stateLost,
    startedAt: status.startedAt,
    finishedAt: status.endedAt ?? status.startedAt,
  }
}

export function usageOf({ cpuSeconds, peakMemoryBytes, wallSeconds }: ProcessStatus): Usage {
  return { cpuSeconds, peakMemoryBytes, wallSeconds }
}

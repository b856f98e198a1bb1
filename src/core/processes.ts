import type { Readable } from 'node:stream'
import { SandboxError } from '../errors.ts'
import { newProcessId } from '../lib/ids.ts'
import type { KeepAlive } from './keep-alive.ts'
import type { LiveSandboxes } from './live.ts'
import type { CallOptions, RunningProcess, StartedProcess, TerminalSize } from './model.ts'
import { type ProgramExecution, toProcess } from './program-execution.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { requireRunning } from './require-running.ts'
import { toRunningProcess } from './running-process.ts'
import { explainMissingShell, shellCommand } from './shell-command.ts'
import type { Wake } from './wake.ts'

/** How long what has ended can still be asked for. */
const KEPT_MS = 3_600_000
const INTERACTIVE_SHELL = 'exec "$(command -v bash || echo sh)"'

export interface ProcessFilter {
  tag?: string | undefined
  state?: RunningProcess['state'] | undefined
}

/** What runs in a sandbox, and what ended lately. The agent knows, so it outlives this server. */
export class Processes {
  readonly #registry: Registry
  readonly #live: LiveSandboxes
  readonly #wake: Wake
  readonly #keepAlive: KeepAlive

  constructor(parts: { registry: Registry; live: LiveSandboxes; wake: Wake; keepAlive: KeepAlive }) {
    this.#registry = parts.registry
    this.#live = parts.live
    this.#wake = parts.wake
    this.#keepAlive = parts.keepAlive
  }

  /** Resolves when it runs; it goes on without its caller. CWD_*, USER_NOT_FOUND, COMMAND_*, TOO_MANY_PROCESSES. */
  async start(id: string, request: StartedProcess, { signal }: CallOptions = {}): Promise<RunningProcess> {
    const { tag, keepAlive, pty, bufferBytes } = request
    const program = programOf(request)
    return await this.#use(id, signal, async (record) => {
      const client = await this.#live.client(record, { signal })
      const start = {
        ...toProcess(record, newProcessId(), program),
        stdin: request.stdin && !pty ? ('pipe' as const) : ('none' as const),
        label: tag,
        keepAlive,
        pty,
        bufferBytes,
        keepMs: KEPT_MS,
      }
      const starting = client.startDetached(start, { signal })
      const status = await (request.argv ? starting : starting.catch(explainMissingShell))
      if (keepAlive) this.#keepAlive.hold(record, status.id)
      return toRunningProcess(status)
    })
  }

  /** Oldest first. Does not count as use. */
  async list(id: string, filter: ProcessFilter, { signal }: CallOptions = {}): Promise<RunningProcess[]> {
    const client = await this.#live.client(requireRunning(this.#registry, id), { signal })
    const processes = (await client.listProcesses({ signal })).map(toRunningProcess)
    const wanted = ({ tag, state }: RunningProcess) =>
      (filter.tag === undefined || filter.tag === tag) && (filter.state === undefined || filter.state === state)
    return processes.filter(wanted).sort((a, b) => a.startedAt - b.startedAt)
  }

  /** PROCESS_NOT_FOUND. Does not count as use. */
  async get(id: string, processId: string, { signal }: CallOptions = {}): Promise<RunningProcess> {
    const client = await this.#live.client(requireRunning(this.#registry, id), { signal })
    return toRunningProcess(await client.getProcess(processId, { signal }))
  }

  /** As soon as it has ended, or after the time as it stands. PROCESS_NOT_FOUND */
  async wait(id: string, processId: string, waitMs: number, { signal }: CallOptions = {}): Promise<RunningProcess> {
    return await this.#use(id, signal, async (record, bounded) => {
      const client = await this.#live.client(record, { signal: bounded })
      return toRunningProcess(await client.waitForProcess(processId, waitMs, { signal: bounded }))
    })
  }

  /** To its process group, or to it alone. No-op when it has ended. PROCESS_NOT_FOUND, INVALID_REQUEST for a run of code. */
  async signal(
    id: string,
    processId: string,
    { name, scope }: { name: string; scope?: 'group' | 'process' | undefined },
    { signal }: CallOptions = {},
  ): Promise<RunningProcess> {
    return await this.#use(id, signal, async (record) => {
      const client = await this.#live.client(record, { signal })
      await client.signalProcess(processId, name, { signal, scope: scope ?? 'group' })
      return toRunningProcess(await client.getProcess(processId, { signal }))
    })
  }

  /**
   * Resolves when the process's pipe has taken all of it, which may be when the process reads. A Readable stays the caller's.
   * STDIN_CLOSED: it has none, or reads it no more.
   */
  async writeStdin(
    id: string,
    processId: string,
    bytes: Uint8Array | Readable,
    { close, signal }: CallOptions & { close?: boolean | undefined } = {},
  ): Promise<void> {
    await this.#use(id, signal, async (record, bounded) => {
      const client = await this.#live.client(record, { signal: bounded })
      await client.writeStdin(processId, bytes, { signal: bounded, close: close ?? false })
    })
  }

  /** INVALID_REQUEST: it has no terminal. */
  async resize(
    id: string,
    processId: string,
    size: TerminalSize,
    { signal }: CallOptions = {},
  ): Promise<RunningProcess> {
    return await this.#use(id, signal, async (record) => {
      const client = await this.#live.client(record, { signal })
      await client.resizeTerminal(processId, size, { signal })
      return toRunningProcess(await client.getProcess(processId, { signal }))
    })
  }

  /** Kills it with all that it started, and forgets its output. PROCESS_NOT_FOUND */
  async remove(id: string, processId: string, { signal }: CallOptions = {}): Promise<void> {
    await this.#use(id, signal, async (record) => {
      const client = await this.#live.client(record, { signal })
      await client.forgetProcess(processId, { signal })
    })
  }

  /** `bounded`: also aborted when the sandbox's run ends. */
  async #use<T>(
    id: string,
    signal: AbortSignal | undefined,
    work: (record: SandboxRecord, bounded: AbortSignal) => Promise<T>,
  ): Promise<T> {
    using use = await this.#wake.use(id, { signal })
    return await work(use.record, signal ? AbortSignal.any([signal, use.gone]) : use.gone)
  }
}

function programOf(request: StartedProcess): ProgramExecution {
  const { command, argv, pty, cwd, envs, user, timeoutMs } = request
  if (command !== undefined && argv !== undefined)
    throw new SandboxError('INVALID_REQUEST', 'give either command, for the shell, or argv, without one')
  const how = argv ? { argv } : shellCommand(command ?? INTERACTIVE_SHELL)
  if (command === undefined && argv === undefined && pty === undefined)
    throw new SandboxError('INVALID_REQUEST', 'give command (for the shell), argv (without one), or pty for a terminal')
  return { ...how, cwd, envs, user, timeoutMs }
}

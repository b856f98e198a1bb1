import type { ProcessStatus } from '../agent/types.ts'
import type { LiveSandboxes } from './live.ts'
import type { CallOptions, RunningProcess } from './model.ts'
import type { Registry } from './registry.ts'
import { requireRunning } from './require-running.ts'

/** What runs in a sandbox, and what ended lately. The agent knows, so it outlives this server. */
export class Processes {
  readonly #registry: Registry
  readonly #live: LiveSandboxes

  constructor(parts: { registry: Registry; live: LiveSandboxes }) {
    this.#registry = parts.registry
    this.#live = parts.live
  }

  /** Oldest first. Does not count as use. */
  async list(id: string, { signal }: CallOptions = {}): Promise<RunningProcess[]> {
    const client = await this.#live.client(requireRunning(this.#registry, id), { signal })
    const processes = await client.listProcesses({ signal })
    return processes.map(toRunningProcess).sort((a, b) => a.startedAt - b.startedAt)
  }

  /** PROCESS_NOT_FOUND */
  async get(id: string, processId: string, { signal }: CallOptions = {}): Promise<RunningProcess> {
    const client = await this.#live.client(requireRunning(this.#registry, id), { signal })
    return toRunningProcess(await client.getProcess(processId, { signal }))
  }
}

function toRunningProcess({
  id,
  pid,
  argv,
  cwd,
  user,
  state,
  startedAt,
  endedAt,
  exitCode,
  signal,
  reason,
}: ProcessStatus): RunningProcess {
  return { id, pid, command: commandOf(argv), cwd, user, state, startedAt, endedAt, exitCode, signal, reason }
}

/** The text of a shell command, else the arguments. */
function commandOf(argv: string[]): string {
  const [program, flag, text] = argv
  return program === '/bin/sh' && flag === '-c' && text !== undefined && argv.length === 3 ? text : argv.join(' ')
}

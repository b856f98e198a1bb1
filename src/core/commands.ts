import type { OutputEvent, ProcessStatus } from '../agent/types.ts'
import { OutputBuffer } from '../lib/output-buffer.ts'
import type { ExecutionOptions, Executions } from './executions.ts'
import { LiveOutput } from './live-output.ts'
import type { CallOptions, CommandResult, OnRunEvent, RunCommand, RunEnd } from './model.ts'
import type { SandboxRules } from './new-record.ts'
import { outputLimitWithin } from './output-limit.ts'
import { explainMissingShell, shellCommand } from './shell-command.ts'

/** Shell commands, run to their end. */
export class Commands {
  readonly #executions: Executions
  readonly #rules: SandboxRules

  constructor({ executions, rules }: { executions: Executions; rules: SandboxRules }) {
    this.#executions = executions
    this.#rules = rules
  }

  /**
   * Runs `/bin/sh -c command` (a longer one as a file) and waits. A program's non-zero exit is a result; a timeout is one with exit code 124 and what
   * was printed so far. CWD_NOT_FOUND, USER_NOT_FOUND, COMMAND_NOT_FOUND (the image has no /bin/sh), SANDBOX_*.
   */
  async run(id: string, request: RunCommand, { signal, memory }: CallOptions = {}): Promise<CommandResult> {
    const limitBytes = outputLimitWithin(request.outputLimitBytes, this.#rules)
    const stdout = new OutputBuffer({ limitBytes, memory })
    const stderr = new OutputBuffer({ limitBytes, memory })
    const onOutput = (event: OutputEvent) => {
      if (event.type === 'stdout') stdout.write(event.bytes)
      else if (event.type === 'stderr') stderr.write(event.bytes)
    }
    const end = await this.#run(id, request, { signal, onOutput })
    return {
      ...end,
      stdout: stdout.bytes({ mark: request.markCuts }),
      stderr: stderr.bytes({ mark: request.markCuts }),
      truncated: end.truncated || stdout.truncated || stderr.truncated,
    }
  }

  /** The same as it happens: nothing is kept or cut. What fails before `start` has told nothing. */
  async follow(id: string, request: RunCommand, onEvent: OnRunEvent, { signal }: CallOptions = {}): Promise<RunEnd> {
    const output = new LiveOutput(onEvent)
    const onStart = (status: ProcessStatus) => output.start(status, null, null)
    return await this.#run(id, request, { signal, onStart, onOutput: output.take, time: true })
  }

  async #run(
    id: string,
    request: RunCommand,
    { time = false, ...options }: ExecutionOptions & { time?: boolean },
  ): Promise<RunEnd> {
    const { cwd, envs, user, timeoutMs, detach } = request
    const program = { ...shellCommand(request.command), cwd, envs, user, timeoutMs, time }
    const ended = await this.#executions.run(id, program, { ...options, detach }).catch(explainMissingShell)
    const { droppedBytes, stateLost: _, ...end } = ended
    return { ...end, truncated: droppedBytes > 0 }
  }
}

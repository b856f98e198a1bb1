import type { OutputEvent } from '../agent/types.ts'
import { SandboxError } from '../errors.ts'
import type { Ended, Executions } from './executions.ts'
import type { Language } from './languages/language.ts'
import { requireLanguage } from './languages/table.ts'
import { lastLine } from './languages/tracebacks.ts'
import { LogLines } from './log-lines.ts'
import type { CallOptions, CodeError, CodeResult, RunCode } from './model.ts'
import type { SandboxRules } from './new-record.ts'
import { outputLimitWithin } from './output-limit.ts'
import type { Programs } from './programs.ts'
import type { Registry } from './registry.ts'

const DEFAULT_TIMEOUT_MS = 300_000
/** Enough of stderr's end for any traceback. */
const TRACEBACK_BYTES = 64 * 1024

/** Code in any language whose interpreter or compiler the image has, run once as a file. */
export class Code {
  readonly #executions: Executions
  readonly #programs: Programs
  readonly #registry: Registry
  readonly #rules: SandboxRules

  constructor(parts: { executions: Executions; programs: Programs; registry: Registry; rules: SandboxRules }) {
    this.#executions = parts.executions
    this.#programs = parts.programs
    this.#registry = parts.registry
    this.#rules = parts.rules
  }

  /** LANGUAGE_UNAVAILABLE when the server or the image has no way to run it. A program that fails is a result with `error`. */
  async run(id: string, request: RunCode, { signal, memory }: CallOptions = {}): Promise<CodeResult> {
    const language = requireLanguage(request.language)
    const limitBytes = outputLimitWithin(request.outputLimitBytes, this.#rules)
    const { cwd: home, imageEnv, envs: own } = this.#registry.require(id)
    const program = await this.#programs.find(id, language, { signal })
    const cwd = request.cwd || home
    const env = { ...imageEnv, ...own, ...request.envs }
    const timeoutMs = request.timeoutMs || DEFAULT_TIMEOUT_MS
    const logs = {
      stdout: new LogLines({ limitBytes, error: false, memory }),
      stderr: new LogLines({ limitBytes, error: true, memory }),
    }
    let timestampMs = Date.now()
    const onOutput = (event: OutputEvent) => {
      if (event.type === 'time') timestampMs = event.timestampMs
      else if (event.type === 'stdout' || event.type === 'stderr') logs[event.type].write(event.bytes, timestampMs)
    }
    const ended = await this.#executions.run(
      id,
      {
        argv: language.argv(program, request.code),
        script: { name: language.file, content: request.code },
        cwd: request.cwd,
        envs: { ...request.envs, ...language.env?.({ cwd, env }) },
        user: request.user,
        timeoutMs,
        time: true,
      },
      { signal, onOutput },
    )
    const { droppedBytes, ...end } = ended
    return {
      ...end,
      language: language.name,
      logs: { stdout: logs.stdout.lines(), stderr: logs.stderr.lines() },
      error: errorOf(language, ended, logs.stderr.tail(TRACEBACK_BYTES), timeoutMs),
      truncated: logs.stdout.truncated || logs.stderr.truncated || droppedBytes > 0,
    }
  }
}

function errorOf(
  language: Language,
  { exitCode, reason, signal }: Ended,
  stderr: string,
  timeoutMs: number,
): CodeError | null {
  switch (reason) {
    case 'timeout':
      return {
        name: 'TimeoutError',
        value: `the run was ended after ${timeoutMs / 1000} s; raise timeout`,
        traceback: null,
      }
    case 'out_of_memory':
      return {
        name: 'OutOfMemoryError',
        value: 'the run used more memory than the sandbox has; create one with more resources.memory_mb',
        traceback: null,
      }
    case 'killed':
    case 'signaled':
      return { name: 'SignalError', value: `the run was ended by ${signal ?? 'a signal'}`, traceback: null }
    case 'exited':
      if (exitCode === 0) return null
      return language.parseError?.(stderr) ?? lastLine(stderr, exitCode)
    default:
      throw new SandboxError('INTERNAL', 'a run ended in an unknown way', {
        cause: new Error(`reason ${String(reason satisfies never)}`),
      })
  }
}

import type { OutputEvent } from '../agent/types.ts'
import { isSandboxError, SandboxError } from '../errors.ts'
import { type Contexts, defaultContextId } from './contexts.ts'
import { Displays } from './displays.ts'
import type { CellExecution, Ended, Executions, ProgramExecution } from './executions.ts'
import type { Language } from './languages/language.ts'
import { requireLanguage } from './languages/table.ts'
import { lastLine } from './languages/tracebacks.ts'
import { LogLines } from './log-lines.ts'
import type { CallOptions, CodeError, CodeResult, RunCode } from './model.ts'
import type { SandboxRules } from './new-record.ts'
import { outputLimitWithin } from './output-limit.ts'
import type { Programs } from './programs.ts'
import type { Registry } from './registry.ts'
import { whyEnded } from './run-errors.ts'

const DEFAULT_TIMEOUT_MS = 300_000
/** Enough of stderr's end for any traceback. */
const TRACEBACK_BYTES = 64 * 1024
/** The agent passes on no larger display. */
const LARGEST_DISPLAY_BYTES = 16 * 1024 * 1024

export interface CodeParts {
  executions: Executions
  contexts: Contexts
  programs: Programs
  registry: Registry
  rules: SandboxRules
}

/** Code in any language that the image can run: in a context, which keeps its state, or as a file of its own. */
export class Code {
  readonly #parts: CodeParts

  constructor(parts: CodeParts) {
    this.#parts = parts
  }

  /** CONTEXT_NOT_FOUND; LANGUAGE_UNAVAILABLE when the server or the image has no way to run it. A program that fails is a result with `error`. */
  async run(id: string, request: RunCode, options: CallOptions = {}): Promise<CodeResult> {
    if (request.contextId !== undefined)
      return await this.#runIn(id, request.contextId, await this.#languageOf(id, request, options), request, options)
    const language = requireLanguage(request.language)
    if (language.stateful) {
      const contextId = defaultContextId(this.#parts.registry.require(id), language, request.user)
      try {
        return await this.#runInDefault(id, contextId, language, request, options)
      } catch (error) {
        // The image lacks the interpreter that a context would need; another of its programs may run the code as a file.
        if (!isSandboxError(error, 'LANGUAGE_UNAVAILABLE')) throw error
      }
    }
    return await this.#runAsFile(id, language, request, options)
  }

  async #languageOf(id: string, request: RunCode, { signal }: CallOptions): Promise<string> {
    if (request.language !== undefined || request.user !== undefined)
      throw new SandboxError(
        'INVALID_REQUEST',
        'a context has its language and its user: give either context_id, or language and user',
      )
    return (await this.#parts.contexts.get(id, request.contextId ?? '', { signal })).language
  }

  async #runInDefault(
    id: string,
    contextId: string,
    language: Language,
    request: RunCode,
    options: CallOptions,
  ): Promise<CodeResult> {
    const run = () => this.#runIn(id, contextId, language.name, request, options)
    try {
      return await run()
    } catch (error) {
      if (!isSandboxError(error, 'CONTEXT_NOT_FOUND')) throw error
    }
    await this.#parts.contexts.openDefault(id, language, request.user, options)
    return await run()
  }

  async #runIn(
    id: string,
    contextId: string,
    language: string,
    request: RunCode,
    { signal, memory }: CallOptions,
  ): Promise<CodeResult> {
    const limitBytes = outputLimitWithin(request.outputLimitBytes, this.#parts.rules)
    const { code, cwd, envs } = request
    const timeoutMs = request.timeoutMs || DEFAULT_TIMEOUT_MS
    const displayBytes = Math.min(limitBytes, LARGEST_DISPLAY_BYTES)
    const output = new RunOutput(limitBytes, memory)
    const cell: CellExecution = { contextId, code, cwd, envs, timeoutMs, displayBytes }
    const ended = await this.#parts.executions.run(id, cell, { signal, onOutput: output.take })
    const error = whyEnded(ended, timeoutMs) ?? output.displays.error ?? exitError(ended)
    return { ...output.result(ended, error), language, contextId }
  }

  async #runAsFile(
    id: string,
    language: Language,
    request: RunCode,
    { signal, memory }: CallOptions,
  ): Promise<CodeResult> {
    const { executions, programs, registry, rules } = this.#parts
    const limitBytes = outputLimitWithin(request.outputLimitBytes, rules)
    const { cwd: home, imageEnv, envs: own } = registry.require(id)
    const program = await programs.find(id, language, { signal })
    const env = { ...imageEnv, ...own, ...request.envs }
    const timeoutMs = request.timeoutMs || DEFAULT_TIMEOUT_MS
    const output = new RunOutput(limitBytes, memory)
    const file: ProgramExecution = {
      argv: language.argv(program, request.code),
      script: { name: language.file, content: request.code },
      cwd: request.cwd,
      envs: { ...request.envs, ...language.env?.({ cwd: request.cwd || home, env }) },
      user: request.user,
      timeoutMs,
      time: true,
    }
    const ended = await executions.run(id, file, { signal, onOutput: output.take })
    const result = output.result(ended, null)
    const error =
      whyEnded(ended, timeoutMs) ??
      (ended.exitCode === 0 ? null : errorOf(language, ended, output.logs.stderr.tail(TRACEBACK_BYTES)))
    return { ...result, error, language: language.name, contextId: null }
  }
}

/** What a run printed and showed. */
class RunOutput {
  readonly logs: { stdout: LogLines; stderr: LogLines }
  readonly displays: Displays
  #timestampMs = Date.now()

  constructor(limitBytes: number, memory: CallOptions['memory']) {
    this.logs = {
      stdout: new LogLines({ limitBytes, error: false, memory }),
      stderr: new LogLines({ limitBytes, error: true, memory }),
    }
    this.displays = new Displays({ limitBytes, memory })
  }

  readonly take = (event: OutputEvent): void => {
    if (event.type === 'time') this.#timestampMs = event.timestampMs
    else if (event.type === 'event') this.displays.add(event.event, event.sizeBytes)
    else if (event.type === 'stdout' || event.type === 'stderr')
      this.logs[event.type].write(event.bytes, this.#timestampMs)
  }

  /** Once, at the end. */
  result({ droppedBytes, ...end }: Ended, error: CodeError | null) {
    const { stdout, stderr } = this.logs
    const logs = { stdout: stdout.lines(), stderr: stderr.lines() }
    const truncated = stdout.truncated || stderr.truncated || this.displays.truncated || droppedBytes > 0
    return { ...end, logs, displays: this.displays.all(), error, truncated }
  }
}

/** Code that asked to exit. */
function exitError({ exitCode }: Ended): CodeError | null {
  return exitCode === 0 ? null : { name: 'ExitError', value: `exit status ${exitCode}`, traceback: null }
}

function errorOf(language: Language, { exitCode }: Ended, stderr: string): CodeError {
  return language.parseError?.(stderr) ?? lastLine(stderr, exitCode)
}

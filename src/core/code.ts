import { LARGEST_DISPLAY_BYTES, type OutputEvent, type ProcessStatus } from '../agent/types.ts'
import { isSandboxError, SandboxError } from '../errors.ts'
import { CollectedOutput } from './collected-output.ts'
import { type Contexts, defaultContextId, hasContexts } from './contexts.ts'
import type { CellExecution, Ended, Executions } from './executions.ts'
import type { Language } from './languages/language.ts'
import { lastLine } from './languages/tracebacks.ts'
import type { LanguagesOf, Runner } from './languages-of.ts'
import { LiveOutput } from './live-output.ts'
import type { CallOptions, CodeEnd, CodeError, CodeResult, OnRunEvent, RunCode } from './model.ts'
import type { SandboxRules } from './new-record.ts'
import { outputLimitWithin } from './output-limit.ts'
import type { ProgramExecution } from './program-execution.ts'
import type { Programs } from './programs.ts'
import type { Registry } from './registry.ts'
import { whyEnded } from './run-errors.ts'

const DEFAULT_TIMEOUT_MS = 300_000
/** Enough of stderr's end for any traceback. */
const TRACEBACK_CHARACTERS = 64 * 1024

export interface CodeParts {
  executions: Executions
  contexts: Contexts
  languages: LanguagesOf
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
  async run(id: string, request: RunCode, { signal, memory }: CallOptions = {}): Promise<CodeResult> {
    const output = new CollectedOutput(outputLimitWithin(request.outputLimitBytes, this.#parts.rules), memory)
    const end = await this.#run(id, request, output, { signal })
    return { ...end, ...output.all() }
  }

  /** The same as it happens: nothing is kept or cut but a display that is too large. What fails before `start` has told nothing. */
  async follow(id: string, request: RunCode, onEvent: OnRunEvent, { signal }: CallOptions = {}): Promise<CodeEnd> {
    return await this.#run(id, request, new LiveOutput(onEvent), { signal })
  }

  async #run(id: string, request: RunCode, output: CodeOutput, options: CallOptions): Promise<CodeEnd> {
    if (request.contextId !== undefined) {
      const language = await this.#languageOf(id, request, options)
      requireTypes(request, language)
      return await this.#runIn(id, request.contextId, language, request, output, options)
    }
    const runner = await this.#parts.languages.resolve(id, request.language, options)
    const { language } = runner
    requireTypes(request, runner.name)
    if (hasContexts(runner)) {
      const contextId = defaultContextId(this.#parts.registry.require(id), runner, request.user)
      try {
        return await this.#runInDefault(id, contextId, runner, request, output, options)
      } catch (error) {
        // The image lacks what a context would need; another of its programs may run the code as a file.
        if (!isSandboxError(error, 'LANGUAGE_UNAVAILABLE') || language === null || request.checkTypes) throw error
      }
    }
    if (language === null)
      throw new SandboxError('INTERNAL', `${runner.name} has neither a kernel nor a way to run a file`)
    return await this.#runAsFile(id, language, request, output, options)
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
    runner: Runner,
    request: RunCode,
    output: CodeOutput,
    options: CallOptions,
  ): Promise<CodeEnd> {
    const run = () => this.#runIn(id, contextId, runner.name, request, output, options)
    try {
      return await run()
    } catch (error) {
      if (!isSandboxError(error, 'CONTEXT_NOT_FOUND')) throw error
    }
    await this.#parts.contexts.openDefault(id, runner, request.user, options)
    return await run()
  }

  async #runIn(
    id: string,
    contextId: string,
    language: string,
    request: RunCode,
    output: CodeOutput,
    { signal }: CallOptions,
  ): Promise<CodeEnd> {
    const limitBytes = outputLimitWithin(request.outputLimitBytes, this.#parts.rules)
    const { code, cwd, envs, detach, checkTypes } = request
    const timeoutMs = request.timeoutMs || DEFAULT_TIMEOUT_MS
    const displayBytes = Math.min(limitBytes, LARGEST_DISPLAY_BYTES)
    const cell: CellExecution = { contextId, code, cwd, envs, timeoutMs, displayBytes, checkTypes }
    const onStart = (status: ProcessStatus) => output.start(status, language, contextId)
    const ended = await this.#parts.executions.run(id, cell, { signal, detach, onStart, onOutput: output.take })
    const error = whyEnded(ended, timeoutMs) ?? output.error ?? exitError(ended)
    return { ...endOf(ended, output), error, language, contextId }
  }

  async #runAsFile(
    id: string,
    language: Language,
    request: RunCode,
    output: CodeOutput,
    { signal }: CallOptions,
  ): Promise<CodeEnd> {
    const { executions, programs, registry } = this.#parts
    const { cwd: home, imageEnv, envs: own } = registry.require(id)
    const program = await programs.find(id, language, { signal })
    const env = { ...imageEnv, ...own, ...request.envs }
    const timeoutMs = request.timeoutMs || DEFAULT_TIMEOUT_MS
    const file: ProgramExecution = {
      argv: language.argv(program, request.code),
      script: { name: language.file, content: request.code },
      cwd: request.cwd,
      envs: { ...request.envs, ...language.env?.({ cwd: request.cwd || home, env }) },
      user: request.user,
      timeoutMs,
      time: true,
    }
    const onStart = (status: ProcessStatus) => output.start(status, language.name, null)
    const { detach } = request
    const ended = await executions.run(id, file, { signal, detach, onStart, onOutput: output.take })
    const failed = () => errorOf(language, ended, output.stderrTail(TRACEBACK_CHARACTERS))
    const error = whyEnded(ended, timeoutMs) ?? (ended.exitCode === 0 ? null : failed())
    return { ...endOf(ended, output), error, language: language.name, contextId: null }
  }
}

/** INVALID_REQUEST for a check of types that the language has none of. */
function requireTypes({ checkTypes }: RunCode, language: string): void {
  if (!checkTypes || language === 'typescript') return
  throw new SandboxError('INVALID_REQUEST', `check_types is for typescript only, and this code is ${language}`)
}

/** Where the output of code goes. */
interface CodeOutput {
  readonly error: CodeError | null
  readonly truncated: boolean
  start(status: ProcessStatus, language: string, contextId: string | null): void | Promise<void>
  take(event: OutputEvent): void | Promise<void>
  stderrTail(characters: number): string
}

function endOf({ droppedBytes, ...end }: Ended, { truncated }: CodeOutput) {
  return { ...end, truncated: truncated || droppedBytes > 0 }
}

/** Code that asked to exit. */
function exitError({ exitCode }: Ended): CodeError | null {
  return exitCode === 0 ? null : { name: 'ExitError', value: `exit status ${exitCode}`, traceback: null }
}

function errorOf(language: Language, { exitCode }: Ended, stderr: string): CodeError {
  return language.parseError?.(stderr) ?? lastLine(stderr, exitCode)
}

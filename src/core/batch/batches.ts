import { isSandboxError, SandboxError } from '../../errors.ts'
import type { Code } from '../code.ts'
import type { Commands } from '../commands.ts'
import type { FileTree } from '../file-tree.ts'
import type { Files } from '../files.ts'
import type { CallOptions } from '../model.ts'
import type { Step, StepFile, StepResult } from './step.ts'

/** Files that one pattern may give. */
const MOST_FILES = 1000
/** Of files that are read or written together. */
const AT_ONCE = 8
const PATTERN = /[*?[{]/

export interface BatchOptions extends CallOptions {
  /** The steps after one that is not `ok` are left out. */
  stopOnError: boolean
  /** After each step, in order. A promise is waited for. */
  onResult?: ((result: StepResult, index: number) => void | Promise<void>) | undefined
}

/** Several things done in one sandbox, one after the other, by one call. */
export class Batches {
  readonly #parts: { files: Files; fileTree: FileTree; commands: Commands; code: Code }

  constructor(parts: { files: Files; fileTree: FileTree; commands: Commands; code: Code }) {
    this.#parts = parts
  }

  /** One result for each step that was begun. Throws only for what concerns the whole: the sandbox, the client, the server. */
  async run(id: string, steps: Step[], { stopOnError, onResult, ...options }: BatchOptions): Promise<StepResult[]> {
    const results: StepResult[] = []
    for (const [index, step] of steps.entries()) {
      const result = await this.#result(id, step, options)
      results.push(result)
      await onResult?.(result, index)
      if (!result.ok && stopOnError) break
    }
    return results
  }

  /** Files that do not depend on each other, several at a time. */
  async write(id: string, files: Extract<Step, { type: 'write' }>[], options: CallOptions): Promise<void> {
    await eachOf(files, ({ path, content, mode }) => this.#parts.files.write(id, path, content, { ...options, mode }))
  }

  /** Those that are there, in the order asked for, and the paths and patterns that gave none. */
  async read(id: string, paths: string[], options: CallOptions): Promise<{ files: StepFile[]; missing: string[] }> {
    const files: StepFile[] = []
    const missing: string[] = []
    for (const path of paths) {
      const found = await this.#read(id, path, options).catch((error: unknown) => {
        if (isSandboxError(error, 'FILE_NOT_FOUND')) return []
        throw error
      })
      files.push(...found)
      if (found.length === 0) missing.push(path)
    }
    return { files, missing }
  }

  async #result(id: string, step: Step, options: CallOptions): Promise<StepResult> {
    try {
      return await this.#do(id, step, options)
    } catch (thrown) {
      options.signal?.throwIfAborted()
      const error = SandboxError.from(thrown)
      if (OF_THE_WHOLE.has(error.code)) throw error
      return { type: 'failed', ok: false, error }
    }
  }

  async #do(id: string, step: Step, options: CallOptions): Promise<StepResult> {
    const { files, commands, code } = this.#parts
    switch (step.type) {
      case 'write':
        await files.write(id, step.path, step.content, { ...options, mode: step.mode })
        return { type: 'write', ok: true }
      case 'delete':
        await files.remove(id, step.path, options)
        return { type: 'delete', ok: true }
      case 'read':
        return { type: 'read', ok: true, files: await this.#read(id, step.path, options) }
      case 'command': {
        const result = await commands.run(id, step.command, options)
        return { type: 'command', ok: result.exitCode === 0, result }
      }
      case 'code': {
        const result = await code.run(id, step.code, options)
        return { type: 'code', ok: result.error === null && result.exitCode === 0, result }
      }
    }
  }

  async #read(id: string, path: string, options: CallOptions): Promise<StepFile[]> {
    const { files, fileTree } = this.#parts
    if (!PATTERN.test(path)) return [{ path, content: await files.read(id, path, options) }]
    const { base, pattern } = splitPattern(path)
    const wanted = { pattern, limit: MOST_FILES, hidden: false }
    const { entries, truncated } = await fileTree.glob(id, base, wanted, options)
    if (truncated)
      throw new SandboxError('FILE_TOO_LARGE', `${path} gives more than ${MOST_FILES} files; read an archive instead`)
    const found = entries.filter(({ type }) => type === 'file').map(({ path: one }) => one)
    return await eachOf(found, async (one) => ({ path: one, content: await files.read(id, one, options) }))
  }
}

/** Failures after which no further step can work. */
const OF_THE_WHOLE = new Set([
  'SANDBOX_NOT_FOUND',
  'SANDBOX_STATE_CONFLICT',
  'ENGINE_UNAVAILABLE',
  'AGENT_UNAVAILABLE',
  'SHUTTING_DOWN',
  'CLIENT_GONE',
  'SERVER_BUSY',
  'INTERNAL',
])

/** An absolute pattern begins at its last folder without a wildcard. */
function splitPattern(path: string): { base: string; pattern: string } {
  if (!path.startsWith('/')) return { base: '.', pattern: path }
  const parts = path.split('/')
  const first = parts.findIndex((part) => PATTERN.test(part))
  return { base: parts.slice(0, first).join('/') || '/', pattern: parts.slice(first).join('/') }
}

/** In order; the first failure is thrown when those under way have ended. */
async function eachOf<T, R>(items: T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const failures: unknown[] = []
  let next = 0
  const worker = async () => {
    for (let at = next++; at < items.length && failures.length === 0; at = next++) {
      try {
        results[at] = await work(items[at] as T)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  if (failures.length > 0) throw failures[0]
  return results
}

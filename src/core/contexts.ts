import { createHash, randomBytes } from 'node:crypto'
import { isSandboxError, SandboxError } from '../errors.ts'
import { environmentOf } from './environment.ts'
import type { Language } from './languages/language.ts'
import { findLanguage, LANGUAGES } from './languages/table.ts'
import type { LanguagesOf, Runner } from './languages-of.ts'
import type { LiveSandboxes } from './live.ts'
import type { Log } from './log.ts'
import type { CallOptions, CodeContext, CreateContext } from './model.ts'
import { pathInside } from './paths.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { requireRunning } from './require-running.ts'
import type { Wake } from './wake.ts'

/**
 * Contexts: interpreters with state. The agent has them, so they outlive this server; they end with the sandbox's processes.
 * Every call but looking counts as use.
 */
export class Contexts {
  readonly #registry: Registry
  readonly #live: LiveSandboxes
  readonly #wake: Wake
  readonly #languages: LanguagesOf
  readonly #log: Log

  constructor(parts: {
    registry: Registry
    live: LiveSandboxes
    wake: Wake
    languages: LanguagesOf
    log: Log
  }) {
    this.#registry = parts.registry
    this.#live = parts.live
    this.#wake = parts.wake
    this.#languages = parts.languages
    this.#log = parts.log
  }

  /** Resolves when it can run code. LANGUAGE_UNAVAILABLE, CONTEXT_LIMIT_REACHED, CWD_*, USER_NOT_FOUND. */
  async create(id: string, request: CreateContext, { signal }: CallOptions = {}): Promise<CodeContext> {
    using use = await this.#wake.use(id, { signal })
    const { record } = use
    const runner = await this.#languages.resolve(id, request.language, { signal })
    if (!hasContexts(runner)) throw withoutContexts(runner.name)
    const client = await this.#live.client(record, { signal })
    const contextId = `c${randomBytes(9).toString('base64url')}`
    return await client.createContext(specOf(record, contextId, runner, request), { signal })
  }

  /** The language's own context of a user, made when there is none. The same as `create` where it can't be. */
  async openDefault(id: string, runner: Runner, user: string | undefined, { signal }: CallOptions): Promise<void> {
    await this.#openDefault(requireRunning(this.#registry, id), runner, user, { signal })
  }

  async #openDefault(
    record: SandboxRecord,
    runner: Runner,
    user: string | undefined,
    { signal }: CallOptions,
  ): Promise<void> {
    const client = await this.#live.client(record, { signal })
    const contextId = defaultContextId(record, runner, user)
    try {
      await client.createContext(specOf(record, contextId, runner, { user }), { signal })
    } catch (error) {
      // Another first call was quicker.
      if (!isSandboxError(error, 'CONTEXT_EXISTS')) throw error
    }
  }

  /**
   * Starts the language's own context, in one that waits in a pool as well. Code that comes meanwhile waits for it; where it fails
   * the code's own try tells why. False: it did not start. Never rejects.
   */
  async prestart(record: SandboxRecord, language: Language): Promise<boolean> {
    const signal = this.#live.of(record).gone
    try {
      await this.#openDefault(record, runnerOf(language), undefined, { signal })
      return true
    } catch (err) {
      if (!signal.aborted) this.#log.info({ sandbox: record.id, language: language.name, err }, 'did not start ahead')
      return false
    }
  }

  /** Of a sandbox that had it started ahead, with what is not so any more. CONTEXT_NOT_FOUND is success. */
  async dropPrestarted(record: SandboxRecord, language: Language, { signal }: CallOptions): Promise<void> {
    const client = await this.#live.client(record, { signal })
    const id = defaultContextId(record, runnerOf(language))
    await client.removeContext(id, { signal }).catch((error: unknown) => {
      if (!isSandboxError(error, 'CONTEXT_NOT_FOUND')) throw error
    })
  }

  /** Oldest first. Does not count as use. */
  async list(id: string, { signal }: CallOptions = {}): Promise<CodeContext[]> {
    const client = await this.#live.client(requireRunning(this.#registry, id), { signal })
    return (await client.listContexts({ signal })).sort((a, b) => a.createdAt - b.createdAt)
  }

  /** CONTEXT_NOT_FOUND. Does not count as use. */
  async get(id: string, contextId: string, { signal }: CallOptions = {}): Promise<CodeContext> {
    const client = await this.#live.client(requireRunning(this.#registry, id), { signal })
    return await client.getContext(contextId, { signal })
  }

  /** A new interpreter without the state of before; a run in it ends, those that wait go on. CONTEXT_NOT_FOUND. */
  async restart(id: string, contextId: string, { signal }: CallOptions = {}): Promise<CodeContext> {
    using use = await this.#wake.use(id, { signal })
    const client = await this.#live.client(use.record, { signal })
    return await client.restartContext(contextId, { signal })
  }

  /** The run in it ends with the language's own error for that, the state stays. No-op when nothing runs. CONTEXT_NOT_FOUND. */
  async interrupt(id: string, contextId: string, { signal }: CallOptions = {}): Promise<CodeContext> {
    using use = await this.#wake.use(id, { signal })
    const client = await this.#live.client(use.record, { signal })
    await client.interruptContext(contextId, { signal })
    return await client.getContext(contextId, { signal })
  }

  /** Ends its interpreter, with what it started. CONTEXT_NOT_FOUND. */
  async remove(id: string, contextId: string, { signal }: CallOptions = {}): Promise<void> {
    using use = await this.#wake.use(id, { signal })
    const client = await this.#live.client(use.record, { signal })
    await client.removeContext(contextId, { signal })
  }
}

/** The id of the context that a language's code runs in when none is named: one for each user who runs code. */
export function defaultContextId(
  { user }: Pick<SandboxRecord, 'user'>,
  { name }: Pick<Runner, 'name'>,
  asked?: string,
): string {
  const id = `default-${name.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 40)}`
  if (!asked || asked === user) return id
  return `${id}-${createHash('sha256').update(asked).digest('hex').slice(0, 12)}`
}

function runnerOf(language: Language): Runner {
  return { name: language.name, language, kernel: null }
}

export function hasContexts({ language, kernel }: Runner): boolean {
  return kernel !== null || language?.stateful !== undefined
}

/** A language with a driver of ours. LANGUAGE_UNAVAILABLE for all others. */
export function requireStateful(asked: string): Language {
  const language = findLanguage(asked.trim().toLowerCase())
  if (language?.stateful) return language
  throw withoutContexts(language?.name ?? asked.slice(0, 64))
}

function withoutContexts(name: string): SandboxError {
  const others = LANGUAGES.filter(({ stateful }) => stateful).map((language) => language.name)
  return new SandboxError(
    'LANGUAGE_UNAVAILABLE',
    `${name} has no contexts here, each of its runs is a program of its own; ${others.join(', ')} have them in every image`,
  )
}

function specOf(record: SandboxRecord, id: string, { name, kernel }: Runner, { cwd, user, envs }: CreateContext) {
  return {
    id,
    language: name,
    kernel: kernel ?? undefined,
    cwd: cwd ? pathInside(record.cwd, cwd) : record.cwd,
    user: user || record.user,
    env: environmentOf(record, envs),
  }
}

import { createHash, randomBytes } from 'node:crypto'
import { isSandboxError, SandboxError } from '../errors.ts'
import type { Activity } from './activity.ts'
import { environmentOf } from './environment.ts'
import type { Language } from './languages/language.ts'
import { LANGUAGES, requireLanguage } from './languages/table.ts'
import type { LiveSandboxes } from './live.ts'
import type { Log } from './log.ts'
import type { CallOptions, CodeContext, CreateContext } from './model.ts'
import { pathInside } from './paths.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { requireRunning } from './require-running.ts'

/**
 * Contexts: interpreters with state. The agent has them, so they outlive this server; they end with the sandbox's processes.
 * Every call but looking counts as use.
 */
export class Contexts {
  readonly #registry: Registry
  readonly #live: LiveSandboxes
  readonly #activity: Activity
  readonly #log: Log

  constructor(parts: { registry: Registry; live: LiveSandboxes; activity: Activity; log: Log }) {
    this.#registry = parts.registry
    this.#live = parts.live
    this.#activity = parts.activity
    this.#log = parts.log
  }

  /** Resolves when it can run code. LANGUAGE_UNAVAILABLE, CONTEXT_LIMIT_REACHED, CWD_*, USER_NOT_FOUND. */
  async create(id: string, request: CreateContext, { signal }: CallOptions = {}): Promise<CodeContext> {
    const language = requireStateful(request.language)
    const record = requireRunning(this.#registry, id)
    using _use = this.#activity.use(record)
    const client = await this.#live.client(record, { signal })
    const contextId = `c${randomBytes(9).toString('base64url')}`
    return await client.createContext(specOf(record, contextId, language.name, request), { signal })
  }

  /** The language's own context of a user, made when there is none. The same as `create` where it can't be. */
  async openDefault(id: string, language: Language, user: string | undefined, { signal }: CallOptions): Promise<void> {
    const record = requireRunning(this.#registry, id)
    const client = await this.#live.client(record, { signal })
    const contextId = defaultContextId(record, language, user)
    try {
      await client.createContext(specOf(record, contextId, language.name, { user }), { signal })
    } catch (error) {
      // Another first call was quicker.
      if (!isSandboxError(error, 'CONTEXT_EXISTS')) throw error
    }
  }

  /**
   * Starts the language's own context in the background. Code that comes meanwhile waits for it; where it fails the code's own
   * try tells why. Never rejects.
   */
  async prestart(id: string, language: Language): Promise<void> {
    const signal = this.#live.of(this.#registry.require(id)).gone
    await this.openDefault(id, language, undefined, { signal }).catch((err: unknown) => {
      if (!signal.aborted) this.#log.info({ sandbox: id, language: language.name, err }, 'did not start ahead')
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
    const record = requireRunning(this.#registry, id)
    using _use = this.#activity.use(record)
    const client = await this.#live.client(record, { signal })
    return await client.restartContext(contextId, { signal })
  }

  /** The run in it ends with the language's own error for that, the state stays. No-op when nothing runs. CONTEXT_NOT_FOUND. */
  async interrupt(id: string, contextId: string, { signal }: CallOptions = {}): Promise<CodeContext> {
    const record = requireRunning(this.#registry, id)
    using _use = this.#activity.use(record)
    const client = await this.#live.client(record, { signal })
    await client.interruptContext(contextId, { signal })
    return await client.getContext(contextId, { signal })
  }

  /** Ends its interpreter, with what it started. CONTEXT_NOT_FOUND. */
  async remove(id: string, contextId: string, { signal }: CallOptions = {}): Promise<void> {
    const record = requireRunning(this.#registry, id)
    using _use = this.#activity.use(record)
    const client = await this.#live.client(record, { signal })
    await client.removeContext(contextId, { signal })
  }
}

/** The id of the context that a language's code runs in when none is named: one for each user who runs code. */
export function defaultContextId({ user }: Pick<SandboxRecord, 'user'>, { name }: Language, asked?: string): string {
  if (!asked || asked === user) return `default-${name}`
  return `default-${name}-${createHash('sha256').update(asked).digest('hex').slice(0, 12)}`
}

/** LANGUAGE_UNAVAILABLE, also for one that has no state. */
export function requireStateful(asked: string | undefined): Language {
  const language = requireLanguage(asked)
  if (language.stateful) return language
  const others = LANGUAGES.filter(({ stateful }) => stateful).map(({ name }) => name)
  throw new SandboxError(
    'LANGUAGE_UNAVAILABLE',
    `${language.name} has no contexts, each of its runs is a program of its own; contexts can be ${others.join(', ')}`,
  )
}

function specOf(record: SandboxRecord, id: string, language: string, { cwd, user, envs }: CreateContext) {
  return {
    id,
    language,
    cwd: cwd ? pathInside(record.cwd, cwd) : record.cwd,
    user: user || record.user,
    env: environmentOf(record, envs),
  }
}

import { isSandboxError, SandboxError } from '../../errors.ts'
import { untilAborted } from '../../lib/deadline.ts'
import type { CallOptions } from '../types.ts'
import type { Context } from './context.ts'
import { applyHostRules, type RulesProgram } from './host-rules.ts'
import { ensureNetwork, hasRunning } from './network.ts'

const CHECK_EVERY_MS = 60_000

/**
 * The network `internet`: our bridge with its rules. Nothing starts on it unless both are known to be there; where the rules
 * can't be installed it is refused (fails closed). Installed again once a minute while sandboxes are on it, and
 * before the next start after the engine was out of sight: they may have been flushed, and the bridge made anew.
 */
export class Internet {
  readonly #context: Context
  readonly #timer: NodeJS.Timeout
  readonly #closed = new AbortController()
  #program: RulesProgram | null = null
  #fault: SandboxError | null = null
  #known = false
  #everKnown = false
  #checking: Promise<void> | null = null

  constructor(context: Context) {
    this.#context = context
    this.#timer = setInterval(() => this.#background(true), CHECK_EVERY_MS).unref()
  }

  /** Bridge and rules for the first time, or anew. Throws only what is of the engine and not of the network. Gives the reason why it is refused, null when it is not. */
  async open(program: RulesProgram, call: CallOptions): Promise<SandboxError | null> {
    await this.#checking?.catch(() => undefined)
    this.#program = program
    await untilAborted(this.#check(), call.signal)
    return this.#fault
  }

  /** Resolves when a sandbox may start on it. Throws NOT_SUPPORTED_BY_ENGINE with the reason where none may. */
  async ensure({ signal }: CallOptions): Promise<void> {
    if (!this.#known) await untilAborted(this.#check(), signal)
    if (this.#fault !== null) throw this.#fault
  }

  /** After a start that failed: true when the bridge was gone and is there again, with its rules. */
  async repair({ signal }: CallOptions): Promise<boolean> {
    const { made } = await ensureNetwork(this.#context, { signal })
    if (!made) return false
    this.#known = false
    await this.ensure({ signal })
    return true
  }

  /** Nothing is known of the engine's state any more. */
  lost(): void {
    this.#known = false
  }

  /** The engine is in sight. */
  seen(): void {
    if (!this.#known) this.#background(false)
  }

  /** Bridge and rules stay. Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#closed.abort(new SandboxError('SHUTTING_DOWN', 'the server is stopping'))
    await this.#checking?.catch(() => undefined)
  }

  #background(onlyWhenNeeded: boolean): void {
    if (this.#program === null || this.#closed.signal.aborted) return
    const check = async () => {
      const needed = !onlyWhenNeeded || this.#fault !== null || (await hasRunning(this.#context, this.#call))
      if (needed) await this.#check()
    }
    check().catch((err: unknown) => this.#context.log.debug({ err }, 'the rules of the network were not checked'))
  }

  get #call(): CallOptions {
    return { signal: this.#closed.signal }
  }

  /** One at a time; who comes meanwhile waits for that one. */
  #check(): Promise<void> {
    this.#checking ??= this.#install().finally(() => {
      this.#checking = null
    })
    return this.#checking
  }

  async #install(): Promise<void> {
    if (this.#program === null) throw new Error('the network is used before it was opened')
    const { log, options } = this.#context
    let bridgeThere = false
    try {
      const { made, bridge } = await ensureNetwork(this.#context, this.#call)
      bridgeThere = true
      const { found, bridgesFiltered } = await applyHostRules(this.#context, this.#program, bridge, this.#call)
      if (!bridgesFiltered) throw notFiltered()
      if (!found && !made && this.#everKnown)
        log.warn({ bridge }, 'the rules of the network were gone; they are installed again')
      this.#fault = null
      this.#everKnown = true
    } catch (error) {
      this.#known = false
      if (this.#closed.signal.aborted || isOfTheEngine(error)) throw error
      if (options.unsafeNetwork) {
        log.warn(
          { err: error },
          'network "internet" has no rules: sandboxes reach the host and private networks (K2_UNSAFE_NETWORK)',
        )
        this.#fault = bridgeThere ? null : refusal(error)
      } else {
        if (this.#fault === null) log.error({ err: error }, 'network "internet" is refused')
        this.#fault = refusal(error)
      }
    }
    this.#known = true
  }
}

const isOfTheEngine = (error: unknown): boolean =>
  isSandboxError(error, 'ENGINE_UNAVAILABLE') || isSandboxError(error, 'ENGINE_TIMEOUT')

function notFiltered(): SandboxError {
  return new SandboxError(
    'NOT_SUPPORTED_BY_ENGINE',
    "packets between sandboxes don't pass any rule: load the module br_netfilter on the engine's host, and set net.bridge.bridge-nf-call-iptables to 1",
  )
}

function refusal(cause: unknown): SandboxError {
  const reason = isSandboxError(cause, 'NOT_SUPPORTED_BY_ENGINE')
    ? cause.message
    : 'it could not be prepared; the log says why'
  return new SandboxError(
    'NOT_SUPPORTED_BY_ENGINE',
    `network "internet" is not available: ${reason}; network "none" is`,
    { cause },
  )
}

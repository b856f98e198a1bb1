import { SandboxError } from '../errors.ts'
import { untilAborted } from '../lib/deadline.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from './clock.ts'
import type { CallOptions, Idempotent } from './model.ts'

const KEPT_MS = 24 * 3600 * 1000
/** The oldest go first: some 20 MB on disk. */
const MOST_KEYS = 100_000
const PRUNE_EVERY_MS = 60_000

interface UnderWay {
  fingerprint: string
  outcome: Promise<unknown>
  /** The first one's: what it aborts says nothing to those who wait for it. */
  signal: AbortSignal | undefined
}

interface Once<T> {
  /** What a first request made; undefined when it is gone. */
  find(madeId: string): T | undefined
  /** Calls `bind` with the id of what it makes, in the transaction that writes it down. */
  make(bind: (madeId: string) => void): Promise<T>
}

/**
 * Requests with a key of the caller's are done once (draft-ietf-httpapi-idempotency-key-header-07): the second with the key gets
 * what the first made, also while that is under way, and after a crash. A failure leaves the key free. Keys are kept for a day.
 */
export class Idempotency {
  readonly #store: Store
  readonly #clock: Clock
  readonly #underWay = new Map<string, UnderWay>()
  #prunedAt = 0

  constructor({ store, clock }: { store: Store; clock: Clock }) {
    this.#store = store
    this.#clock = clock
    // Before anything is made: what is half-made now, a crash left.
    store.keys.removeUnanswered()
  }

  /**
   * `replayed`: a request before this one made it. IDEMPOTENCY_KEY_REUSED for another request under the key,
   * IDEMPOTENT_RESULT_GONE when what was made is no more. `make`'s own failure is also that of those who waited for it.
   */
  async run<T>(scope: string, request: Idempotent, once: Once<T>, { signal }: CallOptions): Promise<[T, boolean]> {
    const name = `${scope} ${request.key}`
    for (;;) {
      const first = this.#underWay.get(name)
      if (first === undefined) break
      requireSame(request, first.fingerprint)
      const outcome = await untilAborted(settled(first.outcome), signal)
      if (outcome.status === 'rejected' && !first.signal?.aborted) throw outcome.reason
    }
    this.#prune()
    const kept = this.#store.keys.find(scope, request.key)
    if (kept !== undefined && kept.madeAt >= this.#clock.now() - KEPT_MS) {
      requireSame(request, kept.fingerprint)
      const found = once.find(kept.madeId)
      if (found === undefined) throw gone(kept.madeId)
      return [found, true]
    }
    const outcome = this.#first(scope, request, once)
    this.#underWay.set(name, { fingerprint: request.fingerprint, outcome, signal })
    try {
      return [await outcome, false]
    } finally {
      this.#underWay.delete(name)
    }
  }

  async #first<T>(scope: string, { key, fingerprint }: Idempotent, { make }: Once<T>): Promise<T> {
    const { keys } = this.#store
    const bind = (madeId: string) => keys.save({ scope, key, fingerprint, madeId, madeAt: this.#clock.now() })
    try {
      return await make(bind)
    } catch (error) {
      keys.remove(scope, key)
      throw error
    }
  }

  #prune(): void {
    const now = this.#clock.now()
    if (now - this.#prunedAt < PRUNE_EVERY_MS) return
    this.#prunedAt = now
    this.#store.keys.removeOlder(now - KEPT_MS)
    this.#store.keys.keepLatest(MOST_KEYS)
  }
}

const settled = async <T>(promise: Promise<T>) => (await Promise.allSettled([promise]))[0]

function requireSame({ key, fingerprint }: Idempotent, first: string): void {
  if (fingerprint === first) return
  throw new SandboxError(
    'IDEMPOTENCY_KEY_REUSED',
    `the Idempotency-Key "${key.slice(0, 64)}" was sent with another request before; use a new key for a new request`,
  )
}

function gone(madeId: string): SandboxError {
  return new SandboxError(
    'IDEMPOTENT_RESULT_GONE',
    `what this Idempotency-Key made, ${madeId}, was deleted since; use a new key to make another`,
  )
}

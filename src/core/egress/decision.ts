/** What became of one try to get out. */
export interface EgressDecision {
  /** ms since the epoch. */
  at: number
  /** How it was asked for. */
  protocol: 'http' | 'connect' | 'socks5'
  host: string
  port: number
  allowed: boolean
  /** Why not, or null. */
  reason: string | null
  /** Where it went; null where nothing was dialled. */
  address: string | null
}

const MOST_KEPT = 200

/** The latest of one sandbox. */
export class Decisions {
  #kept: EgressDecision[] = []

  add(decision: EgressDecision): void {
    this.#kept.push(decision)
    if (this.#kept.length > MOST_KEPT) this.#kept.shift()
  }

  /** The latest first. */
  latest(): EgressDecision[] {
    return this.#kept.toReversed()
  }
}

/** A refusal; the sandbox is told the reason as well. */
export class EgressRefused extends Error {
  override readonly name = 'EgressRefused'
  /** True: the list allows it, and it could not be reached. */
  readonly unreachable: boolean

  constructor(reason: string, unreachable = false) {
    super(reason)
    this.unreachable = unreachable
  }
}

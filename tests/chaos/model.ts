/** What was answered, and what follows from it. Knows nothing of the server but its answers, and of faults what they may explain. */

/** A crash loses a second of activity times, and answers take a moment. */
const AGE_MARGIN_MS = 2500

interface FileVersion {
  hash: string
}

/** One file, written by one worker after the other. */
export interface KnownFile {
  path: string
  /** All that was ever sent, oldest first. */
  versions: FileVersion[]
  /** Index of the newest that was answered; -1: none. */
  acknowledged: number
}

export type SettledStatus = 'running' | 'stopped' | 'paused'

/** A sandbox whose create was answered, or that was found where an answer was lost. */
export class KnownSandbox {
  readonly id: string
  readonly tag: string
  readonly name: string | null
  readonly timeoutMs: number
  readonly onTimeout: string
  /** Its use wakes it: what it was stopped or paused to does not last. */
  readonly autoResume: boolean
  /** Values that its label may have: the last answered one, and those sent since. */
  labels: (string | undefined)[] = [undefined]
  relabelling = false
  readonly files = new Map<string, KnownFile>()
  /** As the last answer said. */
  status: SettledStatus = 'running'
  /** Why the status may be another one by now: a change without an answer, or a fault. */
  readonly excuses = new Set<string>()
  deleteSent = false
  deleted = false
  /** Its disk is gone with its container. */
  removedOutside = false
  /** One change of the status at a time, so that the last answer is the last change. */
  changing = false
  #uses = 0
  #answeredUseAt = performance.now()
  #lastUseAt = performance.now()

  constructor(id: string, { tag, name, timeoutSeconds, onTimeout, autoResume }: SentCreate) {
    this.id = id
    this.tag = tag
    this.name = name
    this.timeoutMs = timeoutSeconds * 1000
    this.onTimeout = onTimeout
    this.autoResume = autoResume
  }

  useBegins(): void {
    this.#uses++
    this.#lastUseAt = performance.now()
  }

  useEnds(beganAt: number, answered: boolean): void {
    this.#uses--
    this.#lastUseAt = performance.now()
    if (answered) this.#answeredUseAt = Math.max(this.#answeredUseAt, beganAt)
  }

  /** It may have ended by its timeout. */
  get mayHaveExpired(): boolean {
    return performance.now() >= this.#answeredUseAt + this.timeoutMs - AGE_MARGIN_MS
  }

  /** Since when it must have: as if the last use had lasted to its very end. `Infinity` while one lasts. */
  get overdueMs(): number {
    return this.#uses > 0 ? Number.NEGATIVE_INFINITY : performance.now() - this.#lastUseAt - this.timeoutMs
  }

  get mayBeGone(): boolean {
    return (
      this.deleted ||
      this.deleteSent ||
      (this.mayHaveExpired && (this.onTimeout === 'delete' || this.removedOutside || this.excuses.size > 0))
    )
  }
}

/** A create that was sent. */
export interface SentCreate {
  tag: string
  name: string | null
  timeoutSeconds: number
  onTimeout: string
  autoResume: boolean
  /** True from the moment it ended without an answer that says what became of it. */
  unanswered: boolean
}

export class Model {
  readonly sandboxes = new Map<string, KnownSandbox>()
  readonly creates = new Map<string, SentCreate>()
  /** What was done to containers, by sandbox: also before its create was answered. */
  readonly #wounds = new Map<string, { why: string; removed: boolean }[]>()
  #tags = 0
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  newTag(): string {
    return `${this.#prefix}-${++this.#tags}`
  }

  /** Those that nobody asked to delete. */
  living(): KnownSandbox[] {
    return [...this.sandboxes.values()].filter(({ deleteSent }) => !deleteSent)
  }

  add(create: SentCreate, id: string): KnownSandbox {
    const known = new KnownSandbox(id, create)
    this.sandboxes.set(id, known)
    for (const { why, removed } of this.#wounds.get(id) ?? []) this.#hurt(known, why, removed)
    return known
  }

  /** Something is done to its container behind the server's back. */
  wound(id: string, why: string, { removed = false } = {}): void {
    this.#wounds.set(id, [...(this.#wounds.get(id) ?? []), { why, removed }])
    const known = this.sandboxes.get(id)
    if (known) this.#hurt(known, why, removed)
  }

  /** What is over and can't come into doubt any more. */
  forget(id: string): void {
    const known = this.sandboxes.get(id)
    if (known) this.creates.delete(known.tag)
    this.sandboxes.delete(id)
    this.#wounds.delete(id)
  }

  #hurt(known: KnownSandbox, why: string, removed: boolean): void {
    known.excuses.add(why)
    known.removedOutside ||= removed
  }

  /** Before a fault that may end sandboxes. */
  excuseAll(why: string): void {
    for (const sandbox of this.sandboxes.values()) sandbox.excuses.add(why)
  }
}

/** The versions that a read may give which began when `acknowledged` was the newest answered one. */
export function isVersion(file: KnownFile, acknowledged: number, hash: string): boolean {
  return file.versions.slice(Math.max(0, acknowledged)).some((version) => version.hash === hash)
}

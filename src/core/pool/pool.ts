import type { Template } from '../../engine/types.ts'
import type { Clock } from '../clock.ts'
import type { SandboxRecord } from '../record.ts'
import { isMadeFor, type PoolDefinition, type PoolState, sameContainers } from './definition.ts'
import { startsAs } from './starts-as.ts'

const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000

/** One pool's figures and who waits in it. Makes and removes nothing itself. */
export class Pool {
  readonly #clock: Clock
  readonly #idleMs: number
  #definition: PoolDefinition
  #isRemoved = false
  /** In the order in which they got ready. */
  #waiting: SandboxRecord[] = []
  /** Those that did not answer the last time. */
  readonly #doubted = new WeakSet<SandboxRecord>()
  warming = 0
  #claimed = 0
  #missed = 0
  #askedAt: number
  #fault: string | null = null
  #failures = 0
  #notBefore = 0

  /** `idleMs`: how long it keeps any without being asked; 0: for ever. */
  constructor(definition: PoolDefinition, { clock, idleMs }: { clock: Clock; idleMs: number }) {
    this.#definition = definition
    this.#clock = clock
    this.#idleMs = idleMs
    this.#askedAt = clock.now()
  }

  get definition(): PoolDefinition {
    return this.#definition
  }

  /** Those that could be given away. */
  get waiting(): readonly SandboxRecord[] {
    this.#waiting = this.#waiting.filter(({ status }) => status === 'ready')
    return this.#waiting
  }

  /** Those that wait and are not what it says now are the caller's to remove. */
  redefine(definition: PoolDefinition): SandboxRecord[] {
    const same = sameContainers(this.#definition, definition)
    this.#definition = definition
    this.asked()
    this.made()
    return same ? [] : this.takeAll()
  }

  /** Takes nobody in from here on; those that wait are the caller's to remove. */
  remove(): SandboxRecord[] {
    this.#isRemoved = true
    return this.takeAll()
  }

  /** Whether one of it could become what the record asks for, as far as a container is concerned. */
  fits({ network, resources, volumes }: SandboxRecord, template: Template): boolean {
    const { definition } = this
    return (
      volumes.length === 0 &&
      definition.network === network &&
      definition.resources.diskMb === resources.diskMb &&
      (definition.template === template.reference || this.waiting.some(({ imageId }) => imageId === template.imageId))
    )
  }

  /** The first that can become it. Whoever takes one has to give it to somebody, put it back, or remove it. */
  take({ imageId }: Pick<Template, 'imageId'>, wanted: SandboxRecord): SandboxRecord | undefined {
    const first = this.waiting.find((one) => one.imageId === imageId && startsAs(one, wanted))
    if (first) this.leave(first)
    return first
  }

  takeAll(): SandboxRecord[] {
    return this.#waiting.splice(0)
  }

  leave(record: SandboxRecord): boolean {
    const at = this.#waiting.indexOf(record)
    if (at >= 0) this.#waiting.splice(at, 1)
    return at >= 0
  }

  /** The last in its line; false: it is none that this pool keeps (any more). */
  add(record: SandboxRecord): boolean {
    if (!this.#keeps(record)) return false
    this.#waiting.push(record)
    return true
  }

  /** Where it was: the first in its line; false as `add`. */
  putBack(record: SandboxRecord): boolean {
    if (!this.#keeps(record)) return false
    this.#waiting.unshift(record)
    return true
  }

  /** It did not answer. On a busy machine that happens to a sound one, so only the second time in a row is one too many: true. */
  doubt(record: SandboxRecord): boolean {
    if (this.#doubted.has(record)) return true
    this.#doubted.add(record)
    return false
  }

  trust(record: SandboxRecord): void {
    this.#doubted.delete(record)
  }

  #keeps(record: SandboxRecord): boolean {
    return !this.#isRemoved && record.status === 'ready' && isMadeFor(record, this.#definition)
  }

  asked(): void {
    this.#askedAt = this.#clock.now()
  }

  served(): void {
    this.#claimed++
  }

  missed(): void {
    this.#missed++
  }

  made(): void {
    this.#fault = null
    this.#failures = 0
    this.#notBefore = 0
  }

  /** Tries again later, each time twice as late. */
  failed(fault: string): void {
    this.#fault = fault
    this.#notBefore = this.#clock.now() + Math.min(FIRST_RETRY_MS * 2 ** this.#failures++, LONGEST_RETRY_MS)
  }

  /** How many it should have now. */
  get target(): number {
    return this.#isDrained ? 0 : this.definition.size
  }

  /** It has less than it should, and may try to make one. */
  get wantsOne(): boolean {
    return this.isShort && this.#notBefore <= this.#clock.now()
  }

  /** It may want one later: a failure is being waited out. */
  get isShort(): boolean {
    return this.waiting.length + this.warming < this.target
  }

  /** The part of what it should have that it has: the pool with the least is filled first. */
  get fullness(): number {
    return (this.waiting.length + this.warming) / Math.max(1, this.target)
  }

  get #isDrained(): boolean {
    return this.#idleMs > 0 && this.#clock.now() - this.#askedAt >= this.#idleMs
  }

  state(): PoolState {
    return {
      ...this.definition,
      ready: this.waiting.length,
      warming: this.warming,
      claimed: this.#claimed,
      missed: this.#missed,
      drained: this.#isDrained,
      fault: this.#fault,
    }
  }
}

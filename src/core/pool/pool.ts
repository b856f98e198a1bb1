import type { Template } from '../../engine/types.ts'
import type { Clock } from '../clock.ts'
import type { SandboxRecord } from '../record.ts'
import type { PoolDefinition, PoolState } from './definition.ts'

const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000

/** One pool's figures and who waits in it. Makes and removes nothing itself. */
export class Pool {
  definition: PoolDefinition
  readonly #clock: Clock
  readonly #idleMs: number
  /** In the order in which they got ready. */
  readonly waiting: SandboxRecord[] = []
  warming = 0
  #claimed = 0
  #missed = 0
  #askedAt: number
  #fault: string | null = null
  #failures = 0
  #notBefore = 0

  /** `idleMs`: how long it keeps any without being asked; 0: for ever. */
  constructor(definition: PoolDefinition, { clock, idleMs }: { clock: Clock; idleMs: number }) {
    this.definition = definition
    this.#clock = clock
    this.#idleMs = idleMs
    this.#askedAt = clock.now()
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
    return this.waiting.length + this.warming < this.target && this.#notBefore <= this.#clock.now()
  }

  /** It may want one later: a failure is being waited out. */
  get isShort(): boolean {
    return this.waiting.length + this.warming < this.target
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

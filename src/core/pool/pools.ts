import { setTimeout as sleep } from 'node:timers/promises'
import type { Template } from '../../engine/types.ts'
import { SandboxError } from '../../errors.ts'
import type { PoolTable } from '../../store/pools.ts'
import { requireStateful } from '../contexts.ts'
import { discard } from '../discard.ts'
import type { CallOptions } from '../model.ts'
import { newRecord, resourcesWithin } from '../new-record.ts'
import type { SandboxRecord } from '../record.ts'
import { withDefaults } from '../templates/template-registry.ts'
import { type ClaimOptions, claimFrom } from './claim.ts'
import type { PoolDefinition, PoolRequest, PoolState } from './definition.ts'
import { type FillParts, fill } from './fill.ts'
import { Pool } from './pool.ts'
import { startsAs } from './starts-as.ts'

/** The pool that the settings define; the API can look at it only. */
export const DEFAULT_POOL = 'default'

export interface PoolsParts extends FillParts {
  table: PoolTable
  /** See Pool. */
  idleMs: number
  /** null: the settings want none. */
  defaultPool: PoolDefinition | null
}

/** Between looks at whether all that wait are still fit to be given away. */
const CHECK_MS = 5000
/** While a caller's create is under way, or a failure is waited out. */
const LOOK_AGAIN_MS = 100
const REACH_LIMIT_MS = 10_000

/**
 * Sandboxes that are made before somebody asks for them. Each is given away once and never taken back. They are made one at a
 * time, only while no create of a caller runs or waits, and with as long a pause after each as it took.
 */
export class Pools {
  readonly #parts: PoolsParts
  readonly #pools = new Map<string, Pool>()
  readonly #end = new AbortController()
  #checks: NodeJS.Timeout | undefined
  #filling: Promise<void> | null = null

  constructor(parts: PoolsParts) {
    this.#parts = parts
  }

  /** After the records and the engine were brought together. */
  open(): void {
    const { table, defaultPool, registry } = this.#parts
    if (defaultPool) this.#add(defaultPool)
    for (const { body } of table.all()) this.#add(JSON.parse(body) as PoolDefinition)
    for (const record of registry.all()) if (record.status === 'ready') this.#takeBack(record)
    this.#checks = setInterval(() => void this.#check(), CHECK_MS).unref()
    void this.#check()
  }

  list(): PoolState[] {
    return [...this.#pools.values()].map((pool) => pool.state())
  }

  /** POOL_NOT_FOUND */
  get(name: string): PoolState {
    return this.#require(name).state()
  }

  /** A pool of that name keeps sandboxes of the template of that name. */
  isFor(template: string): boolean {
    return this.#pools.get(template)?.definition.template === template
  }

  /** Makes a pool, or changes it: those that wait are made anew then. Durable when it returns. The image must be there. */
  async define(name: string, request: PoolRequest, { signal }: CallOptions = {}): Promise<PoolState> {
    requireOwnName(name)
    const definition = this.#definitionOf(name, request)
    await this.#parts.templates.resolve(definition.template, { signal })
    this.#parts.table.save({ name: definition.name, body: JSON.stringify(definition) })
    const before = this.#pools.get(definition.name)
    const pool = this.#add(definition)
    if (before && !sameContainers(before.definition, definition)) this.#empty(before)
    else if (before) pool.waiting.push(...before.waiting)
    void this.#check()
    return pool.state()
  }

  /** Those that wait are removed. */
  remove(name: string): void {
    requireOwnName(name)
    const pool = this.#require(name)
    this.#parts.table.remove(name)
    this.#pools.delete(name)
    this.#empty(pool)
  }

  /** See claimFrom; `wanted` says what is asked for, its id is not used. */
  async claim(wanted: SandboxRecord, template: Template, options: ClaimOptions): Promise<SandboxRecord | null> {
    const fitting = [...this.#pools.values()].filter((pool) => pool.fits(wanted, template))
    if (fitting.length === 0) return null
    for (const pool of fitting) {
      pool.asked()
      if (pool.definition.template === template.reference) this.#dropOthers(pool, template)
    }
    const { cpus, memoryMb, pids } = wanted.resources
    const exact = ({ definition: { resources } }: Pool) =>
      Number(resources.cpus === cpus && resources.memoryMb === memoryMb && resources.pids === pids)
    fitting.sort((a, b) => exact(b) - exact(a))
    try {
      const claimed = await claimFrom(this.#parts, fitting, wanted, template, options)
      if (claimed === null) fitting[0]?.missed()
      return claimed
    } finally {
      this.#fill()
    }
  }

  /** Makes no more; what is being made is removed. Those that wait are there for the next start. */
  async close(): Promise<void> {
    clearInterval(this.#checks)
    this.#end.abort(new SandboxError('SHUTTING_DOWN', 'the server is stopping'))
    await this.#filling
  }

  #definitionOf(name: string, request: PoolRequest): PoolDefinition {
    const { rules } = this.#parts
    const { template = rules.defaults.template, size, network = 'internet' } = request
    const prestart = (request.prestart ?? []).map((language) => requireStateful(language).name)
    return { name, template, size, network, resources: resourcesWithin(request.resources ?? {}, rules), prestart }
  }

  #add(definition: PoolDefinition): Pool {
    const { clock, idleMs } = this.#parts
    const pool = new Pool(definition, { clock, idleMs })
    this.#pools.set(definition.name, pool)
    return pool
  }

  #require(name: string): Pool {
    const pool = this.#pools.get(name)
    if (!pool) throw new SandboxError('POOL_NOT_FOUND', 'no pool of that name; GET /pools lists those there are')
    return pool
  }

  /** One that an earlier process has made. */
  #takeBack(record: SandboxRecord): void {
    const { pooled } = record
    const pool = this.#pools.get(pooled?.pool ?? '')
    if (pool && pooled?.fingerprint === this.#parts.fingerprint) pool.waiting.push(record)
    else discard(this.#parts, record, 'pool')
  }

  #empty(pool: Pool): void {
    for (const record of pool.waiting.splice(0)) this.#drop(record)
  }

  /** The name leads to another image now. */
  #dropOthers({ waiting }: Pool, { imageId }: Pick<Template, 'imageId'>): void {
    for (const record of waiting.splice(0)) {
      if (record.imageId === imageId) waiting.push(record)
      else this.#drop(record)
    }
  }

  #drop(record: SandboxRecord): void {
    if (record.status === 'ready') discard(this.#parts, record, 'pool')
  }

  /** Removes those that are too many, of another image than a create would get now, or out of reach; then fills. */
  async #check(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => this.#checkPool(pool)))
    this.#fill()
  }

  async #checkPool(pool: Pool): Promise<void> {
    const { templates, live, log, rules, clock } = this.#parts
    try {
      for (const record of pool.waiting.splice(pool.target)) this.#drop(record)
      if (pool.waiting.length === 0) return
      const { signal } = this.#end
      const { template, defaults, startup } = await templates.resolve(pool.definition.template, { signal })
      const request = withDefaults({ network: pool.definition.network }, defaults)
      const now = { ...newRecord(request, template, rules, clock.now()), startup }
      for (const record of [...pool.waiting]) {
        const isFit = record.status === 'ready' && record.imageId === now.imageId && startsAs(record, now)
        const reach = () =>
          live.client(record, { signal: AbortSignal.any([signal, AbortSignal.timeout(REACH_LIMIT_MS)]) })
        if (isFit && (live.connected(record.id) !== null || (await reach().catch(() => null)) !== null)) continue
        const at = pool.waiting.indexOf(record)
        if (at < 0 || signal.aborted) continue
        pool.waiting.splice(at, 1)
        this.#drop(record)
      }
    } catch (err) {
      if (!this.#end.signal.aborted) log.info({ pool: pool.definition.name, err }, 'could not look after a pool')
    }
  }

  /** One worker for all pools, as long as one of them is short. */
  #fill(): void {
    if (this.#end.signal.aborted) return
    this.#filling ??= this.#work()
      .catch((err: unknown) => this.#parts.log.error({ err }, 'the filling of pools ended'))
      .finally(() => {
        this.#filling = null
      })
  }

  async #work(): Promise<void> {
    const { queue, clock } = this.#parts
    const { signal } = this.#end
    while (!signal.aborted) {
      const pools = [...this.#pools.values()]
      if (!pools.some((pool) => pool.isShort)) return
      const pool = pools.find(({ wantsOne }) => wantsOne)
      const began = clock.now()
      if (pool && queue.isIdle) await this.#makeOne(pool)
      await sleep(Math.max(LOOK_AGAIN_MS, clock.now() - began), undefined, { signal, ref: false }).catch(
        () => undefined,
      )
    }
  }

  async #makeOne(pool: Pool): Promise<void> {
    const { log } = this.#parts
    const { name } = pool.definition
    pool.warming++
    try {
      const record = await fill(this.#parts, pool.definition, { signal: this.#end.signal })
      pool.made()
      // It may have been defined anew meanwhile, or be gone.
      if (this.#pools.get(name) === pool) pool.waiting.push(record)
      else this.#drop(record)
    } catch (error) {
      if (this.#end.signal.aborted) return
      const { message } = SandboxError.from(error)
      pool.failed(message)
      log.warn({ pool: name, err: error }, 'could not make a sandbox for a pool, trying again')
    } finally {
      pool.warming--
    }
  }
}

function sameContainers(a: PoolDefinition, b: PoolDefinition): boolean {
  const key = ({ template, network, resources, prestart }: PoolDefinition) =>
    JSON.stringify([template, network, resources, prestart])
  return key(a) === key(b)
}

function requireOwnName(name: string): void {
  if (name === DEFAULT_POOL)
    throw new SandboxError(
      'INVALID_REQUEST',
      `the pool "${DEFAULT_POOL}" is that of the settings: change K2_POOL_SIZE, or make one of another name`,
    )
}

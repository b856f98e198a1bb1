import type { Template } from '../../engine/types.ts'
import { isSandboxError, SandboxError } from '../../errors.ts'
import type { PoolTable } from '../../store/pools.ts'
import { requireStateful } from '../contexts.ts'
import { discard } from '../discard.ts'
import type { CallOptions } from '../model.ts'
import { newRecord, resourcesWithin } from '../new-record.ts'
import type { SandboxRecord } from '../record.ts'
import { withDefaults } from '../templates/template-registry.ts'
import { type ClaimOptions, claimFrom } from './claim.ts'
import type { PoolDefinition, PoolRequest, PoolState } from './definition.ts'
import type { FillParts } from './fill.ts'
import { Filler } from './filler.ts'
import { Pool } from './pool.ts'
import { startsAs } from './starts-as.ts'

/** The pool that the settings define; the API can look at it only. */
export const DEFAULT_POOL = 'default'
const MOST_POOLS = 1000

export interface PoolsParts extends FillParts {
  table: PoolTable
  /** See Pool. */
  idleMs: number
  /** null: the settings want none. */
  defaultPool: PoolDefinition | null
  /** How many all pools together may keep ready. */
  most: number
}

/** Between looks at whether all that wait are still fit to be given away. */
const CHECK_MS = 5000

/** Sandboxes that are made before somebody asks for them (see Filler). Each is given away once and never taken back. */
export class Pools {
  readonly #parts: PoolsParts
  readonly #pools = new Map<string, Pool>()
  readonly #filler: Filler
  #checks: NodeJS.Timeout | undefined
  /** One at a time a pool: it may wait for an engine, or for agents that do not answer. */
  readonly #checking = new Map<Pool, Promise<void>>()

  constructor(parts: PoolsParts) {
    this.#parts = parts
    this.#filler = new Filler(parts, () => [...this.#pools.values()])
  }

  /** After the records and the engine were brought together. */
  open(): void {
    const { table, defaultPool, registry, fingerprint } = this.#parts
    if (defaultPool) this.#add(defaultPool)
    for (const { body } of table.all()) this.#add(JSON.parse(body) as PoolDefinition)
    for (const record of registry.all()) {
      if (record.status !== 'ready') continue
      // Of an earlier process, whose containers and pools may have been others.
      const isSame = record.pooled?.fingerprint === fingerprint
      if (!isSame || !this.#pools.get(record.pooled?.pool ?? '')?.add(record)) this.#drop([record])
    }
    this.#checks = setInterval(() => this.#check(), CHECK_MS).unref()
    this.#check()
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
    this.requireRoom(name, definition.size)
    await this.#parts.templates.resolve(definition.template, { signal })
    this.requireRoom(name, definition.size)
    this.#parts.table.save({ name, body: JSON.stringify(definition) })
    const before = this.#pools.get(name)
    if (before) this.#drop(before.redefine(definition))
    const pool = before ?? this.#add(definition)
    this.#check()
    return pool.state()
  }

  /** INVALID_REQUEST where all pools together would keep more than this server allows. */
  requireRoom(name: string, size: number): void {
    const { most } = this.#parts
    const others = [...this.#pools.values()].filter(({ definition }) => definition.name !== name)
    const kept = others.reduce((sum, { definition }) => sum + definition.size, 0)
    if (size > 0 && kept + size > most)
      throw new SandboxError(
        'INVALID_REQUEST',
        `all pools together may keep ${most} ready (K2_MAX_POOLED), and the others have ${kept}; ask for fewer, or make another smaller`,
      )
    if (!this.#pools.has(name) && others.length >= MOST_POOLS)
      throw new SandboxError('INVALID_REQUEST', `this server has ${MOST_POOLS} pools at most; delete some`)
  }

  /** Those that wait are removed. */
  remove(name: string): void {
    requireOwnName(name)
    const pool = this.#require(name)
    this.#parts.table.remove(name)
    this.#pools.delete(name)
    this.#drop(pool.remove())
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
      this.#filler.wake()
    }
  }

  /** Makes no more; what is being made is removed. Those that wait are there for the next start. */
  async close(): Promise<void> {
    clearInterval(this.#checks)
    await this.#filler.close()
    await Promise.all(this.#checking.values())
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

  /** The name leads to another image now. */
  #dropOthers(pool: Pool, { imageId }: Pick<Template, 'imageId'>): void {
    this.#drop(pool.waiting.filter((record) => record.imageId !== imageId && pool.leave(record)))
  }

  #drop(records: SandboxRecord[]): void {
    for (const record of records) if (record.status === 'ready') discard(this.#parts, record, 'pool')
  }

  /** Removes those that are too many, of another image than a create would get now, or out of reach; then fills. */
  #check(): void {
    this.#filler.wake()
    for (const pool of this.#pools.values()) {
      if (this.#checking.has(pool)) continue
      const checking = this.#checkPool(pool)
        .catch((err: unknown) =>
          this.#parts.log.error({ pool: pool.definition.name, err }, 'the look after a pool ended'),
        )
        .finally(() => {
          this.#checking.delete(pool)
          this.#filler.wake()
        })
      this.#checking.set(pool, checking)
    }
  }

  async #checkPool(pool: Pool): Promise<void> {
    const { log } = this.#parts
    const { signal } = this.#filler
    try {
      this.#drop(pool.waiting.slice(pool.target).filter((record) => pool.leave(record)))
      if (pool.waiting.length > 0) await this.#dropUnfit(pool, { signal })
    } catch (error) {
      if (signal.aborted) return
      // No create can get one of it any more, so none is kept.
      if (isSandboxError(error, 'TEMPLATE_NOT_FOUND') || isSandboxError(error, 'TEMPLATE_NOT_READY')) {
        this.#drop(pool.takeAll())
        pool.failed(error.message)
      } else log.info({ pool: pool.definition.name, err: error }, 'could not look after a pool')
    }
  }

  async #dropUnfit(pool: Pool, { signal }: { signal: AbortSignal }): Promise<void> {
    const { templates, live, rules, clock } = this.#parts
    const { template, defaults, startup } = await templates.resolve(pool.definition.template, { signal })
    const request = withDefaults({ network: pool.definition.network }, defaults)
    const now = { ...newRecord(request, template, rules, clock.now()), startup }
    const isLost = async (record: SandboxRecord) => {
      const client = live.connected(record.id) ?? (await live.client(record, { signal }).catch(() => null))
      if (client === null) return pool.doubt(record)
      pool.trust(record)
      return false
    }
    await Promise.all(
      pool.waiting.map(async (record) => {
        const isUnfit = record.imageId !== now.imageId || !startsAs(record, now) || (await isLost(record))
        if (isUnfit && !signal.aborted && pool.leave(record)) this.#drop([record])
      }),
    )
  }
}

function requireOwnName(name: string): void {
  if (name === DEFAULT_POOL)
    throw new SandboxError(
      'INVALID_REQUEST',
      `the pool "${DEFAULT_POOL}" is that of the settings: change K2_POOL_SIZE, or make one of another name`,
    )
}

import { SandboxError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { Journal } from './events/journal.ts'
import { eventOf } from './events/sandbox-events.ts'
import type { SandboxFilter } from './model.ts'
import { hasPairs, pageOf } from './pages.ts'
import { type DeletedBy, isVisible, parseRecord, type SandboxRecord } from './record.ts'

/**
 * Every record, in memory and in the store. One server owns the database, so memory is a copy that is never behind:
 * a change is durable first and visible then.
 */
export class Registry {
  readonly #store: Store
  readonly #journal: Pick<Journal, 'append'>
  readonly #records = new Map<string, SandboxRecord>()
  readonly #idByName = new Map<string, string>()
  readonly #watchers = new Map<string, Set<() => void>>()

  constructor({ store, journal }: { store: Store; journal: Pick<Journal, 'append'> }) {
    this.#store = store
    this.#journal = journal
    for (const row of store.sandboxes.all()) {
      const record = { ...parseRecord(row.body), lastActiveAt: row.lastActiveAt }
      this.#remember(record)
    }
  }

  /** Those that callers see. */
  get size(): number {
    let size = 0
    for (const record of this.#records.values()) if (isVisible(record)) size++
    return size
  }

  /** All, also those being deleted, oldest first. */
  all(): SandboxRecord[] {
    return [...this.#records.values()]
  }

  /** Also one that is being deleted. */
  find(id: string): SandboxRecord | undefined {
    return this.#records.get(id)
  }

  /** SANDBOX_NOT_FOUND when there is none that callers see. */
  require(id: string): SandboxRecord {
    const record = this.#records.get(id)
    if (!record || !isVisible(record)) throw new SandboxError('SANDBOX_NOT_FOUND', 'Sandbox not found')
    return record
  }

  hasName(name: string): boolean {
    return this.#idByName.has(name)
  }

  /** NAME_TAKEN when another sandbox has the name. */
  requireFreeName(name: string): void {
    if (!this.hasName(name)) return
    throw new SandboxError('NAME_TAKEN', `a sandbox named "${name}" exists already; delete it or choose another name`)
  }

  /** NAME_TAKEN. Durable when it returns, together with what `along` writes. */
  add(record: SandboxRecord, along?: (id: string) => void): void {
    if (record.name !== null) this.requireFreeName(record.name)
    this.#store.transaction(() => {
      along?.(record.id)
      this.#persist(null, record)
    })
    this.#remember(record)
  }

  /**
   * Makes one that waits in a pool somebody's: from here on it is `record`, under the id that it has. NAME_TAKEN, and false when it
   * does not wait any more. Durable when it returns, together with what `along` writes.
   */
  claim(id: string, record: Omit<SandboxRecord, 'id'>, along?: (id: string) => void): boolean {
    const waiting = this.#records.get(id)
    if (waiting?.status !== 'ready') return false
    if (record.name !== null) this.requireFreeName(record.name)
    this.#store.transaction(() => {
      along?.(id)
      this.#persist(waiting, { ...record, id })
    })
    this.#remember(Object.assign(waiting, record))
    this.#tell(id)
    return true
  }

  /**
   * Changes some members; undefined when the sandbox is not there any more. Durable when it returns. A delete is final: the status of
   * one that is being deleted stays, whatever was under way before finds out now.
   */
  update(id: string, change: Partial<Omit<SandboxRecord, 'id' | 'name'>>): SandboxRecord | undefined {
    const record = this.#records.get(id)
    if (!record) return undefined
    const { status, deletedBy } = record
    const made = { ...change, ...(status === 'deleting' && { status, deletedBy }) }
    this.#persist(record, { ...record, ...made })
    return this.#change(record, made)
  }

  /** The delete of one that nobody was told of, where it can't be written down: a start removes what its row says then. */
  forsake(id: string, deletedBy: DeletedBy): void {
    const record = this.#records.get(id)
    if (record) this.#change(record, { status: 'deleting', deletedBy })
  }

  #change(record: SandboxRecord, made: Partial<SandboxRecord>): SandboxRecord {
    Object.assign(record, made)
    if (record.status === 'deleting' && record.name !== null) this.#forgetName(record)
    this.#tell(record.id)
    return record
  }

  /** Calls back after each change of one sandbox, also when it is gone, until the returned function is called. */
  watch(id: string, onChange: () => void): () => void {
    const watchers = this.#watchers.get(id) ?? new Set()
    this.#watchers.set(id, watchers.add(onChange))
    return () => {
      watchers.delete(onChange)
      if (watchers.size === 0) this.#watchers.delete(id)
    }
  }

  #tell(id: string): void {
    for (const onChange of this.#watchers.get(id) ?? []) onChange()
  }

  /** Activity times only; in one transaction. */
  saveActivity(ids: Iterable<string>): void {
    const times: [string, number][] = []
    for (const id of ids) {
      const record = this.#records.get(id)
      if (record) times.push([id, record.lastActiveAt])
    }
    if (times.length > 0) this.#store.sandboxes.saveActivity(times)
  }

  remove(id: string): void {
    this.#store.sandboxes.remove(id)
    const record = this.#records.get(id)
    this.#records.delete(id)
    if (record) this.#forgetName(record)
    this.#tell(id)
  }

  /** null: no sandbox has the name. */
  findByName(name: string): SandboxRecord | null {
    return this.#records.get(this.#idByName.get(name) ?? '') ?? null
  }

  /** A page of the sandboxes that match every given condition, oldest first. `cursor` is the last id's creation key. */
  page(filter: SandboxFilter): { records: SandboxRecord[]; nextCursor: string | null } {
    const matching = this.all().filter((record) => isVisible(record) && matches(record, filter))
    const { items: records, nextCursor } = pageOf(matching, filter)
    return { records, nextCursor }
  }

  /** With the event that tells of it, or not at all. */
  #persist(before: SandboxRecord | null, record: SandboxRecord): void {
    const { id, status, lastActiveAt } = record
    const save = () => this.#store.sandboxes.save({ id, status, lastActiveAt, body: JSON.stringify(record) })
    const event = eventOf(before, record)
    this.#store.transaction(() => {
      save()
      if (event !== null) this.#journal.append(event)
    })
  }

  #remember(record: SandboxRecord): void {
    this.#records.set(record.id, record)
    if (record.name !== null && record.status !== 'deleting') this.#idByName.set(record.name, record.id)
  }

  #forgetName(record: SandboxRecord): void {
    if (record.name !== null && this.#idByName.get(record.name) === record.id) this.#idByName.delete(record.name)
  }
}

function matches(record: SandboxRecord, filter: SandboxFilter): boolean {
  if (filter.status !== undefined && record.status !== filter.status) return false
  if (filter.template !== undefined && record.template !== filter.template) return false
  if (filter.name !== undefined && record.name !== filter.name) return false
  return hasPairs(record.metadata, filter.metadata)
}

import { SandboxError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { Journal } from './events/journal.ts'
import { snapshotEvent } from './events/kept-events.ts'
import type { SnapshotFilter } from './model.ts'
import { hasPairs, pageOf } from './pages.ts'
import type { SnapshotRecord } from './snapshot-record.ts'

/** Every snapshot, in memory and in the store: durable first, visible then, as `Registry` of sandboxes. */
export class SnapshotRegistry {
  readonly #store: Pick<Store, 'snapshots' | 'transaction'>
  readonly #table: Store['snapshots']
  readonly #journal: Pick<Journal, 'append'>
  readonly #records = new Map<string, SnapshotRecord>()
  readonly #holds = new Map<string, number>()

  constructor({
    store,
    journal,
  }: { store: Pick<Store, 'snapshots' | 'transaction'>; journal: Pick<Journal, 'append'> }) {
    this.#store = store
    this.#journal = journal
    this.#table = store.snapshots
    for (const body of this.#table.all()) {
      const record = JSON.parse(body) as SnapshotRecord
      this.#records.set(record.id, record)
    }
  }

  /** Those that count for the limit. */
  get size(): number {
    return this.all().filter(({ status, temporary }) => status !== 'deleting' && !temporary).length
  }

  /** All, also those that no caller sees. */
  all(): SnapshotRecord[] {
    return [...this.#records.values()]
  }

  find(id: string): SnapshotRecord | undefined {
    return this.#records.get(id)
  }

  /** By id or name. SNAPSHOT_NOT_FOUND */
  require(idOrName: string): SnapshotRecord {
    const byId = this.#records.get(idOrName)
    if (byId && isVisible(byId)) return byId
    const byName = this.all().find((record) => isVisible(record) && record.name === idOrName)
    if (byName) return byName
    throw new SandboxError('SNAPSHOT_NOT_FOUND', 'Snapshot not found')
  }

  /** The same; SNAPSHOT_LOST when nothing can be made of it any more. */
  requireReady(idOrName: string): SnapshotRecord {
    const record = this.require(idOrName)
    if (record.status === 'ready') return record
    throw lost(record)
  }

  /** NAME_TAKEN, also by one that is being made. */
  requireFreeName(name: string): void {
    if (this.all().every((record) => record.status === 'deleting' || record.name !== name)) return
    throw new SandboxError('NAME_TAKEN', `a snapshot named "${name}" exists already; delete it or choose another name`)
  }

  /** NAME_TAKEN. Durable when it returns. */
  add(record: SnapshotRecord): void {
    if (record.name !== null) this.requireFreeName(record.name)
    this.#save(null, record)
    this.#records.set(record.id, record)
  }

  /** Durable when it returns. */
  update(id: string, change: Partial<Omit<SnapshotRecord, 'id' | 'name'>>): void {
    const record = this.#records.get(id)
    if (!record) return
    this.#save(record.status, { ...record, ...change })
    Object.assign(record, change)
  }

  remove(id: string): void {
    this.#table.remove(id)
    this.#records.delete(id)
  }

  page(filter: SnapshotFilter): { records: SnapshotRecord[]; nextCursor: string | null } {
    const { items: records, nextCursor } = pageOf(
      this.all().filter((record) => isVisible(record) && matches(record, filter)),
      filter,
    )
    return { records, nextCursor }
  }

  saveChanges(id: string, changes: string): void {
    this.#table.saveChanges(id, changes)
  }

  /** null: none were kept. */
  changesOf(id: string): string | null {
    return this.#table.changesOf(id)
  }

  /** Its image stays until this is disposed, whoever deletes it meanwhile. */
  hold(id: string): Disposable {
    this.#holds.set(id, (this.#holds.get(id) ?? 0) + 1)
    return {
      [Symbol.dispose]: () => {
        const left = (this.#holds.get(id) ?? 1) - 1
        if (left > 0) this.#holds.set(id, left)
        else this.#holds.delete(id)
      },
    }
  }

  isHeld(id: string): boolean {
    return this.#holds.has(id)
  }

  /** With the event that tells of it. */
  #save(was: SnapshotRecord['status'] | null, record: SnapshotRecord): void {
    const event = snapshotEvent(was, record)
    this.#store.transaction(() => {
      this.#table.save({ id: record.id, body: JSON.stringify(record) })
      if (event) this.#journal.append(event)
    })
  }
}

export function lost({ id, name }: SnapshotRecord): SandboxError {
  return new SandboxError(
    'SNAPSHOT_LOST',
    `snapshot ${name ?? id} is lost: its image was removed outside of the API; delete it and make another`,
  )
}

function isVisible({ status, temporary }: SnapshotRecord): boolean {
  return !temporary && (status === 'ready' || status === 'lost')
}

function matches(record: SnapshotRecord, filter: SnapshotFilter): boolean {
  if (filter.status !== undefined && record.status !== filter.status) return false
  if (filter.name !== undefined && record.name !== filter.name) return false
  if (filter.sandboxId !== undefined && record.sandboxId !== filter.sandboxId) return false
  return hasPairs(record.metadata, filter.metadata)
}

import type { ImageRef } from '../../engine/types.ts'
import type { Store } from '../../store/store.ts'

/** An image that a step of a build made. */
export interface LayerRecord {
  /** 20 characters, ours. */
  id: string
  /** See Layer in plan.ts. */
  key: string
  /** null: it is being made, or a crash cut that off. */
  ref: ImageRef | null
  /** The template whose build made or used it last. */
  template: string
  /** What it takes on the disk. */
  ownBytes: number
  /** What it adds to the image that the build began with. */
  addedBytes: number
  /** To be removed as soon as nothing is made of it. */
  doomed: boolean
  createdAt: number
  usedAt: number
}

/** Every image that builds made, in memory and in the store. */
export class LayerRegistry {
  readonly #store: Store
  readonly #records = new Map<string, LayerRecord>()
  readonly #held = new Map<string, number>()

  constructor(store: Store) {
    this.#store = store
    for (const { id, body } of store.templates.layers()) this.#records.set(id, JSON.parse(body) as LayerRecord)
  }

  all(): LayerRecord[] {
    return [...this.#records.values()]
  }

  find(id: string): LayerRecord | undefined {
    return this.#records.get(id)
  }

  refOf(id: string): ImageRef | null {
    return this.#records.get(id)?.ref ?? null
  }

  /** The one that can be used for a step: the latest that was made of it. */
  withKey(key: string): LayerRecord | undefined {
    return [...this.#records.values()].findLast((record) => record.key === key && record.ref !== null && !record.doomed)
  }

  save(record: LayerRecord): void {
    this.#store.templates.saveLayer({ id: record.id, body: JSON.stringify(record) })
    this.#records.set(record.id, record)
  }

  remove(id: string): void {
    this.#store.templates.removeLayer(id)
    this.#records.delete(id)
  }

  /** It stays until the hold is disposed. */
  hold(id: string): Disposable {
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1)
    let held = true
    const release = () => {
      if (!held) return
      held = false
      const left = (this.#held.get(id) ?? 1) - 1
      if (left === 0) this.#held.delete(id)
      else this.#held.set(id, left)
    }
    return { [Symbol.dispose]: release }
  }

  isHeld(id: string): boolean {
    return this.#held.has(id)
  }
}

import type { Engine } from '../engine/types.ts'
import { isSandboxError } from '../errors.ts'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'
import type { CallOptions } from './model.ts'
import type { Registry } from './registry.ts'
import { fromImageLabel, type SnapshotRecord } from './snapshot-record.ts'
import type { SnapshotRegistry } from './snapshot-registry.ts'

const ATTEMPT_MS = 60_000

export interface SnapshotImagesParts {
  engine: Engine
  registry: Registry
  snapshots: SnapshotRegistry
  clock: Clock
  log: Log
}

/**
 * Brings rows and images of snapshots to agreement. The image of a deleted snapshot goes when nothing is made of it any more: tried
 * whenever something was removed, and in each sweep.
 */
export class SnapshotImages {
  readonly #parts: SnapshotImagesParts
  readonly #end = new AbortController()
  #clearing: Promise<void> | undefined
  #again = false

  constructor(parts: SnapshotImagesParts) {
    this.#parts = parts
  }

  /** Something that may have used an image is gone. Returns at once; never throws. */
  retry(): void {
    if (this.#end.signal.aborted || !this.#parts.snapshots.all().some((record) => this.#isFree(record))) return
    this.#again = true
    this.#clearing ??= this.#clear().finally(() => {
      this.#clearing = undefined
    })
  }

  /** By a full list: images without a row are given one, rows without an image say so. `atStart`: what is half-made is a crash's. */
  async reconcile({ signal, atStart }: CallOptions & { atStart: boolean }): Promise<void> {
    const { engine, snapshots, clock, log } = this.#parts
    // Before the list: one that is made after it must not be taken for a lost one.
    const known = snapshots.all().map(({ id, status }) => ({ id, status }))
    const images = (await engine.listImages({ signal })).filter(({ kind }) => kind === 'snapshot')
    const found = new Map(images.map((image) => [image.id, image]))
    for (const { id, status } of known) {
      const record = snapshots.find(id)
      if (record === undefined || record.status !== status) continue
      const image = found.get(id)
      const cutOff = atStart && (status === 'creating' || (record.temporary && status === 'ready'))
      if (cutOff) snapshots.update(id, { status: 'deleting' })
      if (image !== undefined && record.ref === null && record.status === 'deleting')
        snapshots.update(id, { ref: image.ref })
      if (status === 'ready' && image === undefined && record.ref !== null && !cutOff) {
        log.warn({ snapshot: id }, 'the image of a snapshot was removed outside of the API')
        snapshots.update(id, { status: 'lost' })
      }
      if (status === 'lost' && image !== undefined) snapshots.update(id, { status: 'ready', ref: image.ref })
      if (record.status === 'deleting' && image === undefined && (record.uncertainUntil ?? 0) <= clock.now())
        snapshots.remove(id)
    }
    for (const image of images) {
      if (snapshots.find(image.id) !== undefined) continue
      log.warn({ snapshot: image.id }, 'adopting a snapshot that has no record')
      const record = fromImageLabel(image)
      snapshots.add({ ...record, name: isFree(snapshots, record.name) ? record.name : null })
    }
    this.retry()
  }

  async close(): Promise<void> {
    this.#end.abort()
    await this.#clearing
  }

  async #clear(): Promise<void> {
    while (this.#again && !this.#end.signal.aborted) {
      this.#again = false
      for (const record of this.#parts.snapshots.all()) if (this.#isFree(record)) await this.#remove(record)
    }
  }

  async #remove({ id, ref }: SnapshotRecord): Promise<void> {
    const { engine, snapshots, log } = this.#parts
    if (ref === null) return
    try {
      await engine.removeImage(ref, { signal: AbortSignal.any([this.#end.signal, AbortSignal.timeout(ATTEMPT_MS)]) })
      snapshots.remove(id)
      // Its parent may have waited for this.
      this.#again = true
    } catch (err) {
      if (this.#end.signal.aborted) return
      const fields = { snapshot: id, err }
      if (isSandboxError(err, 'IMAGE_IN_USE')) log.info(fields, 'the image of a deleted snapshot is still in use')
      else log.warn(fields, 'could not remove the image of a deleted snapshot, trying again within a minute')
    }
  }

  /** Deleted, and as far as is known here nothing is made of it: the engine has the last word. */
  #isFree({ id, status, ref }: SnapshotRecord): boolean {
    const { registry, snapshots } = this.#parts
    if (status !== 'deleting' || ref === null || snapshots.isHeld(id)) return false
    return (
      registry.all().every(({ snapshotId }) => snapshotId !== id) &&
      snapshots.all().every(({ parentId, ref: made }) => parentId !== id || made === null)
    )
  }
}

function isFree(snapshots: SnapshotRegistry, name: string | null): boolean {
  return snapshots.all().every((record) => record.name !== name || record.status === 'deleting')
}

import type { Engine } from '../../engine/types.ts'
import { isSandboxError, SandboxError } from '../../errors.ts'
import { newSandboxId } from '../../lib/ids.ts'
import type { Store } from '../../store/store.ts'
import type { Clock } from '../clock.ts'
import type { Journal } from '../events/journal.ts'
import { volumeEvent } from '../events/kept-events.ts'
import type { Log } from '../log.ts'
import type { CallOptions } from '../model.ts'
import type { Registry } from '../registry.ts'
import { requirePlaces } from './places.ts'
import {
  type AskedMount,
  type CreateVolume,
  fromVolumeLabel,
  type MountRecord,
  toVolumeLabel,
  type Volume,
  type VolumeRecord,
} from './volume.ts'

export interface VolumesParts {
  engine: Engine
  registry: Registry
  store: Pick<Store, 'volumes' | 'transaction'>
  journal: Pick<Journal, 'append'>
  clock: Clock
  log: Log
  mostVolumes: number
}

/** Between two tries. */
const IN_USE_MS = 1000
const MEBIBYTE = 1024 * 1024

/**
 * Places for files that outlive sandboxes. The rows are the truth, and a volume is removed only when its row says so: one of ours
 * without a row is taken in, never removed. Its size is measured every so often, not enforced.
 */
export class Volumes {
  readonly #parts: VolumesParts
  readonly #volumes = new Map<string, VolumeRecord>()
  /** As it was written last. */
  readonly #statuses = new Map<string, VolumeRecord['status']>()
  #closed = false

  constructor(parts: VolumesParts) {
    this.#parts = parts
    for (const { body } of parts.store.volumes.all()) {
      const volume = JSON.parse(body) as VolumeRecord
      this.#volumes.set(volume.id, volume)
      this.#statuses.set(volume.id, volume.status)
    }
  }

  /** VOLUME_EXISTS, VOLUME_LIMIT_REACHED. When it fails nothing stays behind. */
  async create({ name, sizeMb, labels = {} }: CreateVolume, { signal }: CallOptions = {}): Promise<Volume> {
    const { engine, clock, mostVolumes } = this.#parts
    if (this.#find(name)) {
      throw new SandboxError('VOLUME_EXISTS', `a volume named "${name}" exists already; use it, or choose another name`)
    }
    if (this.#volumes.size >= mostVolumes) {
      throw new SandboxError(
        'VOLUME_LIMIT_REACHED',
        `this server keeps ${mostVolumes} volumes at most (K2_MAX_VOLUMES); delete some`,
        { details: { retryAfterSeconds: 10 } },
      )
    }
    const volume: VolumeRecord = {
      id: newSandboxId(),
      name,
      status: 'creating',
      ref: null,
      sizeMb: sizeMb ?? null,
      labels,
      createdAt: clock.now(),
      usedBytes: null,
      measuredAt: null,
    }
    this.#save(volume)
    try {
      const ref = await engine.createVolume({ id: volume.id, record: toVolumeLabel(volume) }, { signal })
      this.#save(Object.assign(volume, { ref, status: 'ready' }))
    } catch (error) {
      this.#forget(volume.id)
      throw error
    }
    return this.#view(volume)
  }

  list(): Volume[] {
    return [...this.#volumes.values()].filter(isVisible).map((volume) => this.#view(volume))
  }

  /** VOLUME_NOT_FOUND */
  get(name: string): Volume {
    return this.#view(this.#require(name))
  }

  /** Gone for callers when it returns, durably; its files follow in the background. VOLUME_IN_USE */
  remove(name: string): void {
    const volume = this.#require(name)
    const users = this.#usersOf(volume.ref)
    if (users.length > 0) {
      const named = users.slice(0, 5).join(', ') + (users.length > 5 ? ' and others' : '')
      throw new SandboxError('VOLUME_IN_USE', `the volume "${name}" is used by ${named}; delete these sandboxes first`)
    }
    this.#save(Object.assign(volume, { status: 'deleting' }))
    void this.#removeFromEngine(volume)
  }

  /** What a create asks for, as volumes that there are. Asked again in the turn in which the record is written. */
  resolve(asked: AskedMount[]): MountRecord[] {
    requirePlaces(asked)
    return asked.map(({ name, path, readOnly = false }) => {
      const volume = this.#require(name)
      if (volume.status === 'missing' || volume.ref === null)
        throw new SandboxError(
          'VOLUME_NOT_FOUND',
          `the volume "${name}" was removed outside of the API and its files are lost; delete it and make it again`,
        )
      if (!readOnly && isFull(volume))
        throw new SandboxError(
          'VOLUME_FULL',
          `the volume "${name}" holds more than its ${volume.sizeMb} MiB; delete files in it, or mount it read_only`,
        )
      return { ref: volume.ref, name, path, readOnly }
    })
  }

  /**
   * Brings rows and engine to agreement: half-made ones are removed, deletions finished, unknown ones of ours taken in, missing
   * ones marked. `atStart`: what is being created is a crash's.
   */
  async reconcile({ signal, atStart }: CallOptions & { atStart: boolean }): Promise<{ adopted: number }> {
    const { engine, log } = this.#parts
    const known = [...this.#volumes.values()]
    const found = new Map((await engine.listVolumes({ signal })).map((volume) => [volume.id, volume]))
    for (const volume of known) {
      const there = found.get(volume.id)
      if (volume.status === 'deleting' || (volume.status === 'creating' && atStart)) {
        // The answer to its create never came: nobody knows of it.
        if (volume.status === 'creating')
          this.#save(Object.assign(volume, { status: 'deleting', ref: there?.ref ?? null }))
        await this.#removeFromEngine(volume)
      } else if (volume.status === 'ready' && !there) {
        log.warn({ volume: volume.name }, 'a volume is not on the engine any more, its files are lost')
        this.#save(Object.assign(volume, { status: 'missing' }))
      }
    }
    let adopted = 0
    for (const { id, ref, record } of found.values()) {
      if (this.#volumes.has(id) || known.some((volume) => volume.id === id)) continue
      const volume = fromVolumeLabel(record, ref)
      if (this.#find(volume.name)) volume.name = `${volume.name.slice(0, 42)}-${id}`
      log.warn({ volume: volume.name }, 'adopting a volume that has no record')
      this.#save(volume)
      adopted++
    }
    return { adopted }
  }

  /** Of all, where one has a limit. */
  async measure({ signal }: CallOptions): Promise<void> {
    const { engine, clock, log } = this.#parts
    if (![...this.#volumes.values()].some(({ sizeMb, status }) => sizeMb !== null && status === 'ready')) return
    const sizes = await engine.volumeSizes({ signal })
    for (const volume of this.#volumes.values()) {
      const usedBytes = sizes.get(volume.ref ?? '')
      if (usedBytes === undefined || volume.status !== 'ready') continue
      const wasFull = isFull(volume)
      this.#save(Object.assign(volume, { usedBytes, measuredAt: clock.now() }))
      if (!wasFull && isFull(volume)) log.warn({ volume: volume.name, usedBytes }, 'a volume is over its size')
    }
  }

  /** Begins nothing any more. */
  close(): void {
    this.#closed = true
  }

  async #removeFromEngine(volume: VolumeRecord): Promise<void> {
    const { engine, log } = this.#parts
    if (this.#closed || !this.#volumes.has(volume.id)) return
    try {
      if (volume.ref !== null) await engine.removeVolume(volume.ref)
      this.#forget(volume.id)
    } catch (err) {
      // A sandbox that was deleted just now may have it still.
      if (isSandboxError(err, 'VOLUME_IN_USE')) setTimeout(() => void this.#removeFromEngine(volume), IN_USE_MS).unref()
      else log.warn({ volume: volume.name, err }, 'could not remove a volume, trying again within a minute')
    }
  }

  #usersOf(ref: string | null): string[] {
    const users = this.#parts.registry.all().filter((record) => record.status !== 'deleting')
    return users.filter(({ volumes }) => volumes.some((mount) => mount.ref === ref)).map((record) => record.id)
  }

  #find(name: string): VolumeRecord | undefined {
    return [...this.#volumes.values()].find((volume) => volume.name === name && volume.status !== 'deleting')
  }

  #require(name: string): VolumeRecord {
    const volume = this.#find(name)
    if (volume && volume.status !== 'creating') return volume
    throw new SandboxError('VOLUME_NOT_FOUND', `no volume named "${name.slice(0, 63)}"; make it with POST /volumes`)
  }

  /** With the event that tells of it. */
  #save(volume: VolumeRecord): void {
    const { store, journal } = this.#parts
    const event = volumeEvent(this.#statuses.get(volume.id) ?? null, volume)
    store.transaction(() => {
      store.volumes.save({ id: volume.id, body: JSON.stringify(volume) })
      if (event) journal.append(event)
    })
    this.#volumes.set(volume.id, volume)
    this.#statuses.set(volume.id, volume.status)
  }

  #forget(id: string): void {
    this.#parts.store.volumes.remove(id)
    this.#volumes.delete(id)
    this.#statuses.delete(id)
  }

  #view({ id, ref, status, ...volume }: VolumeRecord): Volume {
    return { ...volume, status: status === 'missing' ? 'missing' : 'ready', usedBy: this.#usersOf(ref) }
  }
}

const isVisible = ({ status }: VolumeRecord) => status === 'ready' || status === 'missing'

function isFull({ sizeMb, usedBytes }: VolumeRecord): boolean {
  return sizeMb !== null && usedBytes !== null && usedBytes > sizeMb * MEBIBYTE
}

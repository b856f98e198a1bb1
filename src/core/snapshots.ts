import type { Engine, FileChange } from '../engine/types.ts'
import { isSandboxError, SandboxError } from '../errors.ts'
import { untilAborted } from '../lib/deadline.ts'
import { newSandboxId } from '../lib/ids.ts'
import type { KeyedLock } from '../lib/keyed-lock.ts'
import type { Activity } from './activity.ts'
import type { Clock } from './clock.ts'
import { packChanges } from './kept-changes.ts'
import type { Log } from './log.ts'
import type { CallOptions, CreateSnapshot, Snapshot, SnapshotFilter, SnapshotPage } from './model.ts'
import type { SandboxRules } from './new-record.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { throwExplained } from './removed-outside.ts'
import type { SnapshotImages } from './snapshot-images.ts'
import { type SnapshotRecord, toImageLabel, toSnapshot } from './snapshot-record.ts'
import type { SnapshotRegistry } from './snapshot-registry.ts'

export interface SnapshotsParts {
  engine: Engine
  registry: Registry
  snapshots: SnapshotRegistry
  images: SnapshotImages
  activity: Activity
  locks: KeyedLock
  clock: Clock
  log: Log
  rules: SandboxRules
}

/** Longer than the engine's own deadline of a commit. */
const COMMIT_MAY_TAKE_MS = 15 * 60_000

/** Copies of sandboxes' files, kept as images of the engine. They outlive the sandbox. */
export class Snapshots {
  readonly #parts: SnapshotsParts

  constructor(parts: SnapshotsParts) {
    this.#parts = parts
  }

  /** Of a sandbox in any state; one that runs stands still meanwhile. When it fails or the client leaves, nothing stays behind. */
  async create(sandboxId: string, request: CreateSnapshot, { signal }: CallOptions = {}): Promise<Snapshot> {
    return toSnapshot(await this.take(sandboxId, { ...request, temporary: false }, { signal }))
  }

  /** SNAPSHOT_NOT_FOUND */
  get(idOrName: string): Snapshot {
    return toSnapshot(this.#parts.snapshots.require(idOrName))
  }

  list(filter: SnapshotFilter): SnapshotPage {
    const { records, nextCursor } = this.#parts.snapshots.page(filter)
    return { snapshots: records.map(toSnapshot), nextCursor }
  }

  /** Gone for every caller at once; what was made of it lives on, and the image as long as that. Its id. */
  remove(idOrName: string): string {
    const { id } = this.#parts.snapshots.require(idOrName)
    this.discard(id)
    return id
  }

  discard(id: string): void {
    this.#parts.snapshots.update(id, { status: 'deleting' })
    this.#parts.images.retry()
  }

  /** `temporary`: a fork's; the caller discards it. */
  async take(
    sandboxId: string,
    request: CreateSnapshot & { temporary: boolean },
    { signal }: CallOptions,
  ): Promise<SnapshotRecord> {
    const { registry, activity, locks } = this.#parts
    this.#requireRoom(request)
    using _use = activity.use(registry.require(sandboxId))
    // The engine can't be stopped once it has begun: the lock is held until it is done, whoever waits for that.
    const taking = locks.run(sandboxId, () => this.#take(registry.require(sandboxId), request), { signal })
    try {
      return await untilAborted(taking, signal)
    } catch (error) {
      if (signal?.aborted) void taking.then(({ id }) => this.discard(id)).catch(() => undefined)
      throw error
    }
  }

  async #take(sandbox: SandboxRecord, request: CreateSnapshot & { temporary: boolean }): Promise<SnapshotRecord> {
    const { engine, snapshots, clock } = this.#parts
    const { id: sandboxId, ref } = sandbox
    if (ref === null || sandbox.status === 'creating')
      throw new SandboxError('SANDBOX_STATE_CONFLICT', `the sandbox is ${sandbox.status}, it has no files yet`)
    this.#requireRoom(request)
    const record = newSnapshot(sandbox, request, clock.now())
    snapshots.add(record)
    try {
      // Only when asked for: Docker 20.10 walks all files of the image for it, which takes seconds.
      const before = request.trackChanges ? await this.#changes(sandboxId, ref) : null
      // Of one that was found again without its record it is not known.
      const env = Object.keys(sandbox.imageEnv).length > 0 ? sandbox.imageEnv : undefined
      const spec = { kind: 'snapshot' as const, id: record.id, record: toImageLabel(record), env }
      const image = await engine.commit(sandboxId, ref, spec).catch(throwExplained)
      const after = before && (await this.#changes(sandboxId, ref))
      const tracksChanges = before !== null && after !== null
      if (tracksChanges) snapshots.saveChanges(record.id, packChanges(before, after))
      const { addedBytes: sizeBytes, createdAt: takenAt } = image
      snapshots.update(record.id, {
        status: 'ready',
        ref: image.ref,
        sizeBytes,
        takenAt,
        tracksChanges,
        uncertainUntil: null,
      })
      return record
    } catch (error) {
      this.#giveUp(record, error)
      throw error
    }
  }

  /** null: too many to keep. */
  async #changes(sandboxId: string, ref: string): Promise<FileChange[] | null> {
    return await this.#parts.engine.changes(sandboxId, ref).catch((error: unknown) => {
      if (isSandboxError(error, 'FILE_TOO_LARGE')) return null
      return throwExplained(error)
    })
  }

  /** Of a commit that has no outcome there may still be an image one day. */
  #giveUp({ id }: SnapshotRecord, error: unknown): void {
    const { snapshots } = this.#parts
    const uncertain = ['ENGINE_TIMEOUT', 'ENGINE_UNAVAILABLE'].some(
      (code) => isSandboxError(error) && error.code === code,
    )
    if (uncertain) snapshots.update(id, { status: 'deleting' })
    else snapshots.remove(id)
  }

  #requireRoom({ name, temporary }: CreateSnapshot & { temporary: boolean }): void {
    const { snapshots, rules } = this.#parts
    if (name !== undefined) snapshots.requireFreeName(name)
    if (temporary || snapshots.size < rules.limits.snapshots) return
    throw new SandboxError(
      'SNAPSHOT_LIMIT_REACHED',
      `this server keeps ${rules.limits.snapshots} snapshots at most (K2_MAX_SNAPSHOTS); delete some`,
      { details: { retryAfterSeconds: 10 } },
    )
  }
}

function newSnapshot(
  sandbox: SandboxRecord,
  { name, metadata, temporary }: CreateSnapshot & { temporary: boolean },
  now: number,
): SnapshotRecord {
  const { id: sandboxId, snapshotId: parentId, template, cwd, user, envs, resources, network } = sandbox
  return {
    id: newSandboxId(),
    name: name ?? null,
    status: 'creating',
    metadata: metadata ?? {},
    temporary,
    ref: null,
    uncertainUntil: now + COMMIT_MAY_TAKE_MS,
    sandboxId,
    parentId,
    template,
    defaults: { cwd, user, envs, resources, network },
    startup: sandbox.startup,
    tracksChanges: false,
    sizeBytes: 0,
    takenAt: 0,
    createdAt: now,
  }
}

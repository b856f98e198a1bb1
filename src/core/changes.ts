import type { AgentEntry } from '../agent/types.ts'
import type { Engine, FileChange } from '../engine/types.ts'
import { isSandboxError, SandboxError } from '../errors.ts'
import type { Activity } from './activity.ts'
import { changesSince, unpackChanges } from './kept-changes.ts'
import type { LiveSandboxes } from './live.ts'
import type { CallOptions, ChangedFile, ChangesPage, ChangesQuery } from './model.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { throwExplained } from './removed-outside.ts'
import type { SnapshotRecord } from './snapshot-record.ts'
import type { SnapshotRegistry } from './snapshot-registry.ts'
import type { StoppedFiles } from './stopped-files.ts'

export interface ChangesParts {
  engine: Engine
  registry: Registry
  snapshots: SnapshotRegistry
  live: LiveSandboxes
  activity: Activity
  stopped: StoppedFiles
}

const ROOT = '0:0'
const AT_ONCE = 16
/** The engine gives one file of a stopped sandbox a time, in up to 100 ms. */
const MOST_OPEN = { running: 20_000, stopped: 200 }
/** The kernel's clock for files is that much behind its other one. */
const TICK_MS = 10

/** What differs in a sandbox's files from its image, or from a snapshot of it. */
export class Changes {
  readonly #parts: ChangesParts

  constructor(parts: ChangesParts) {
    this.#parts = parts
  }

  /** By path. Does not wake a sandbox that sleeps: then types and sizes are not known. */
  async list(id: string, { since, limit, cursor }: ChangesQuery, { signal }: CallOptions = {}): Promise<ChangesPage> {
    const { engine, registry, snapshots, activity } = this.#parts
    const record = registry.require(id)
    if (record.ref === null) throw new SandboxError('SANDBOX_STATE_CONFLICT', 'the sandbox has no files yet')
    const snapshot = since === undefined ? null : requireOf(id, snapshots.require(since))
    const after = cursor === undefined ? null : decodeCursor(cursor)
    using _use = activity.use(record)
    const now = await engine.changes(id, record.ref, { signal }).catch(throwExplained)
    const all = snapshot === null ? now : await this.#since(record, snapshot, now, { signal })
    const rest = after === null ? all : all.filter(({ path }) => path > after)
    const page = rest.slice(0, limit)
    const last = page.at(-1)
    return {
      changes: await this.#described(record, page, { signal }),
      nextCursor: rest.length > page.length && last ? encodeCursor(last.path) : null,
    }
  }

  async #since(
    record: SandboxRecord,
    snapshot: SnapshotRecord,
    now: FileChange[],
    { signal }: CallOptions,
  ): Promise<FileChange[]> {
    const kept = this.#parts.snapshots.changesOf(snapshot.id)
    if (kept === null)
      throw new SandboxError(
        'INVALID_REQUEST',
        'of this snapshot it is not known what had changed before it; make one with track_changes, or leave since out',
      )
    const { certain, open } = changesSince(unpackChanges(kept), now)
    const running = record.status === 'running'
    const most = running ? MOST_OPEN.running : MOST_OPEN.stopped
    if (open.length > most)
      throw new SandboxError(
        'FILE_TOO_LARGE',
        `more than ${most} files would have to be compared${running ? '' : '; start the sandbox, then more can'}`,
      )
    const isNewer = running
      ? (path: string) => this.#changedAfter(record, path, snapshot.takenAt, { signal })
      : (path: string) => this.#modifiedAfter(record, path, snapshot.takenAt, { signal })
    const newer = await mapAtOnce(open, ({ path }) => isNewer(path))
    return [...certain, ...open.filter((_, index) => newer[index])].sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  /** By ctime, which the kernel alone sets. */
  async #changedAfter(record: SandboxRecord, path: string, at: number, options: CallOptions): Promise<boolean> {
    const entry = await this.#stat(record, path, options)
    return entry === null || changedAtMs(entry) > at - TICK_MS
  }

  /** By mtime, in whole seconds: an archive has no more. */
  async #modifiedAfter(record: SandboxRecord, path: string, at: number, { signal }: CallOptions): Promise<boolean> {
    const mtime = await this.#parts.stopped.modifiedAt(record, path, { signal })
    return mtime === null || mtime >= Math.floor(at / 1000) * 1000
  }

  async #described(record: SandboxRecord, page: FileChange[], options: CallOptions): Promise<ChangedFile[]> {
    if (record.status !== 'running') return page.map((change) => ({ ...change, type: null, sizeBytes: null }))
    return await mapAtOnce(page, async ({ path, kind }) => {
      const entry = kind === 'deleted' ? null : await this.#stat(record, path, options)
      return { path, kind, type: entry?.type ?? null, sizeBytes: entry?.type === 'file' ? entry.sizeBytes : null }
    })
  }

  /** null: it is not there any more. */
  async #stat(record: SandboxRecord, path: string, { signal }: CallOptions): Promise<AgentEntry | null> {
    const client = await this.#parts.live.client(record, { signal })
    return await client.stat(path, ROOT, { signal, follow: false }).catch((error: unknown) => {
      if (isSandboxError(error, 'FILE_NOT_FOUND') || isSandboxError(error, 'PATH_NOT_DIRECTORY')) return null
      throw error
    })
  }
}

function requireOf(sandboxId: string, snapshot: SnapshotRecord): SnapshotRecord {
  if (snapshot.sandboxId === sandboxId) return snapshot
  throw new SandboxError(
    'INVALID_REQUEST',
    'since names a snapshot of another sandbox; without since the changes are those from what this one was made of',
  )
}

/** The agent's etag is inode, size and ctime in nanoseconds, in hexadecimal (agent/README.md). One of another form counts as changed. */
function changedAtMs({ etag }: AgentEntry): number {
  const nanoseconds = /^[0-9a-f]+-[0-9a-f]+-([0-9a-f]{1,16})$/.exec(etag ?? '')?.[1]
  return nanoseconds === undefined ? Number.POSITIVE_INFINITY : Number.parseInt(nanoseconds, 16) / 1e6
}

async function mapAtOnce<T, R>(items: T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length)
  let next = 0
  const run = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index] as T)
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, run))
  return results
}

function encodeCursor(path: string): string {
  return Buffer.from(path).toString('base64url')
}

function decodeCursor(cursor: string): string {
  const path = Buffer.from(cursor, 'base64url').toString('utf8')
  if (path.startsWith('/') && encodeCursor(path) === cursor) return path
  throw new SandboxError(
    'INVALID_REQUEST',
    'cursor is not one that a list gave; leave it out to start from the beginning',
  )
}

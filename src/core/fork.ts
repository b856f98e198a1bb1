import { SandboxError } from '../errors.ts'
import type { CallOptions, ForkSandbox, Sandbox } from './model.ts'
import type { SandboxRules } from './new-record.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import type { Sandboxes } from './sandboxes.ts'
import type { SnapshotRegistry } from './snapshot-registry.ts'
import type { Snapshots } from './snapshots.ts'

export interface ForkParts {
  registry: Registry
  snapshots: SnapshotRegistry
  takes: Snapshots
  sandboxes: Sandboxes
  rules: SandboxRules
}

/** Copies of a sandbox as it is now, through a snapshot that goes with the last of them. */
export class Fork {
  readonly #parts: ForkParts

  constructor(parts: ForkParts) {
    this.#parts = parts
  }

  /** All of them or none. The source goes on as it was; a running one stands still for the snapshot. */
  async create(id: string, { count, ...request }: ForkSandbox, { signal }: CallOptions = {}): Promise<Sandbox[]> {
    const { registry, snapshots, takes, sandboxes } = this.#parts
    if (count > 1 && request.name !== undefined)
      throw new SandboxError('INVALID_REQUEST', 'a name belongs to one sandbox; leave it out, or make one fork a call')
    const source = registry.require(id)
    this.#requireRoom(count, request.name)
    const fork = await takes.take(id, { temporary: true }, { signal })
    const hold = snapshots.hold(fork.id)
    try {
      const wayOut = request.network === undefined && source.egress ? { egress: source.egress } : {}
      const asked = { ...lifeOf(source), ...wayOut, ...definedOf(request) }
      const made = await Promise.allSettled(
        Array.from({ length: count }, () => sandboxes.create(asked, { signal, fork })),
      )
      const failed = made.find((one) => one.status === 'rejected')
      const whole = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      if (failed === undefined) return whole.map(({ created, ...sandbox }) => sandbox)
      for (const { id } of whole) if (registry.find(id)?.status !== 'deleting') sandboxes.remove(id)
      throw failed.reason
    } finally {
      hold[Symbol.dispose]()
      takes.discard(fork.id)
    }
  }

  /** Told before the work, not after it. */
  #requireRoom(count: number, name: string | undefined): void {
    const { registry, rules } = this.#parts
    if (name !== undefined) registry.requireFreeName(name)
    if (registry.size + count <= rules.limits.sandboxes) return
    throw new SandboxError(
      'SANDBOX_LIMIT_REACHED',
      `this server keeps ${rules.limits.sandboxes} sandboxes at most (K2_MAX_SANDBOXES) and has ${registry.size}; delete some`,
      { details: { retryAfterSeconds: 10 } },
    )
  }
}

/** What a snapshot does not keep and a copy has, too. */
function lifeOf({ metadata, timeoutSeconds, onTimeout, autoResume, maxLifetimeSeconds, ...record }: SandboxRecord) {
  const volumes = record.volumes.map(({ name, path, readOnly }) => ({ name, path, readOnly }))
  return {
    volumes,
    metadata,
    timeoutSeconds,
    onTimeout,
    autoResume,
    maxLifetimeSeconds: maxLifetimeSeconds ?? undefined,
  }
}

function definedOf<T extends object>(members: T): Partial<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Partial<T>
}

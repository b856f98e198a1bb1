import type { Template } from '../../engine/types.ts'
import { type DiscardParts, discard } from '../discard.ts'
import type { CallOptions } from '../model.ts'
import type { SandboxRecord } from '../record.ts'
import { adapt, differences } from './adapt.ts'
import type { FillParts } from './fill.ts'
import type { Pool } from './pool.ts'
import { startsAs } from './starts-as.ts'

export interface ClaimOptions extends CallOptions {
  /** Throws when there is no room for another sandbox; asked in the turn in which one is given away. */
  room: () => void
  /** Called with its id in the transaction that gives it away. */
  bind?: ((id: string) => void) | undefined
}

/** An agent answers in a fraction of a millisecond; one that needs longer than this is not given away. */
const ANSWER_LIMIT_MS = 500

/**
 * The first one that waits in these pools and can become what is wanted, as the caller's own: running, under an id of its own.
 * Without a call to the engine where only the record differs. null: none. What it throws is the caller's fault or the engine's, and
 * nothing stays then.
 */
export async function claimFrom(
  parts: FillParts,
  pools: Pool[],
  wanted: SandboxRecord,
  template: Template,
  { signal, room, bind }: ClaimOptions,
): Promise<SandboxRecord | null> {
  for (const pool of pools) {
    for (let next = take(pool, template, wanted); next !== undefined; next = take(pool, template, wanted)) {
      if (!(await answers(parts, next, { signal }))) {
        signal?.throwIfAborted()
        if (next.status === 'ready') discard(parts, next, 'pool')
        continue
      }
      try {
        if (!(await give(parts, next, wanted, { signal, room, bind }))) continue
        pool.served()
        return next
      } catch (error) {
        if (next.status === 'ready') pool.waiting.unshift(next)
        throw error
      }
    }
  }
  return null
}

/** Whoever takes one has to give it to somebody, or remove it. */
function take(pool: Pool, template: Template, wanted: SandboxRecord): SandboxRecord | undefined {
  const at = pool.waiting.findIndex((one) => one.imageId === template.imageId && startsAs(one, wanted))
  return at < 0 ? undefined : pool.waiting.splice(at, 1)[0]
}

async function answers({ live }: FillParts, record: SandboxRecord, { signal }: CallOptions): Promise<boolean> {
  const limit = AbortSignal.timeout(ANSWER_LIMIT_MS)
  const bounded = signal ? AbortSignal.any([signal, limit]) : limit
  try {
    // After a start of the server the link may not stand yet.
    const client = await live.client(record, { signal: bounded })
    await client.info({ signal: bounded })
    return true
  } catch {
    return false
  }
}

/** False: it has ended meanwhile. */
async function give(
  parts: FillParts,
  waiting: SandboxRecord,
  wanted: SandboxRecord,
  { signal, room, bind }: ClaimOptions,
): Promise<boolean> {
  const { registry, clock, locks } = parts
  const { pooled, id, ref, cwd, user, identity, resources } = waiting
  if (pooled === null) return false
  const differs = differences(waiting, pooled, wanted)
  const asIs = !differs.place && !differs.resources && !differs.contexts
  const now = clock.now()
  const { id: _, ...own } = {
    ...wanted,
    ref,
    cwd,
    user,
    identity,
    resources,
    warm: true,
    createdAt: now,
    lastActiveAt: now,
  }
  room()
  // What still has to be changed is removed by a start that finds it so, as every create that a crash has cut off.
  if (!registry.claim(id, { ...own, status: asIs ? 'running' : 'creating' }, bind)) return false
  if (asIs) return true
  try {
    await locks.run(id, async () => {
      await adapt(parts, waiting, pooled, wanted, differs, { signal })
      registry.require(id)
      registry.update(id, { status: 'running', lastActiveAt: clock.now() })
    })
    return true
  } catch (error) {
    if (waiting.status === 'creating') discard(parts satisfies DiscardParts, waiting, 'create_failed')
    throw error
  }
}

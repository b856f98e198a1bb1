import type { Template } from '../../engine/types.ts'
import { type DiscardParts, discard } from '../discard.ts'
import type { CallOptions } from '../model.ts'
import type { SandboxRecord } from '../record.ts'
import { adapt, differences } from './adapt.ts'
import type { FillParts } from './fill.ts'
import type { Pool } from './pool.ts'

export interface ClaimOptions extends CallOptions {
  /** Throws when there is no room for another sandbox; asked in the turn in which one is given away. */
  room: () => void
  /** Called with its id in the transaction that gives it away. */
  bind?: ((id: string) => void) | undefined
}

/** An agent answers in a fraction of a millisecond; one that needs longer than this is not given away, and goes to the end of its line. */
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
  options: ClaimOptions,
): Promise<SandboxRecord | null> {
  const silent: [Pool, SandboxRecord][] = []
  try {
    return await claimFirst(parts, pools, wanted, template, options, (pool, record) => silent.push([pool, record]))
  } finally {
    for (const [pool, record] of silent)
      if (record.status === 'ready' && !pool.add(record)) discard(parts, record, 'pool')
  }
}

async function claimFirst(
  parts: FillParts,
  pools: Pool[],
  wanted: SandboxRecord,
  template: Template,
  options: ClaimOptions,
  setAside: (pool: Pool, record: SandboxRecord) => void,
): Promise<SandboxRecord | null> {
  for (const pool of pools) {
    for (let next = pool.take(template, wanted); next !== undefined; next = pool.take(template, wanted)) {
      // Whoever takes one has to give it to somebody, put it back, or remove it.
      try {
        if (await answers(parts, next, options)) {
          if (await give(parts, next, wanted, options)) {
            pool.served()
            return next
          }
        } else if (next.status === 'ready') {
          if (pool.doubt(next)) discard(parts, next, 'pool')
          else setAside(pool, next)
        }
      } catch (error) {
        if (next.status === 'ready' && !pool.putBack(next)) discard(parts, next, 'pool')
        throw error
      }
    }
  }
  return null
}

/** Throws the signal's reason. */
async function answers({ live }: FillParts, record: SandboxRecord, { signal }: CallOptions): Promise<boolean> {
  const limit = AbortSignal.timeout(ANSWER_LIMIT_MS)
  const call = { signal: signal ? AbortSignal.any([signal, limit]) : limit }
  // The link stands; only after a start of this server it may not yet.
  const asked = async () => (live.connected(record.id) ?? (await live.client(record, call))).info(call)
  const answered = await asked().then(
    () => true,
    () => false,
  )
  // Nothing is given to somebody who has left, and nothing is known then of one that was not waited for.
  signal?.throwIfAborted()
  return answered
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
  room()
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

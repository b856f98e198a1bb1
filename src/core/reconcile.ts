import { setTimeout as sleep } from 'node:timers/promises'
import type { Engine, EngineSandbox } from '../engine/types.ts'
import { SandboxError } from '../errors.ts'
import type { KeyedLock } from '../lib/keyed-lock.ts'
import { finishChange } from './change.ts'
import { settleNetwork } from './change-network.ts'
import type { Clock } from './clock.ts'
import { discard } from './discard.ts'
import type { Journal } from './events/journal.ts'
import type { CallOptions, SandboxStatus } from './model.ts'
import { pausedMeanwhile } from './pause.ts'
import { fromLabel, isVisible, type SandboxRecord } from './record.ts'
import type { Removals } from './removals.ts'
import { REMOVED_OUTSIDE } from './removed-outside.ts'
import { type StopParts, stopSandbox } from './stop.ts'
import type { TemplateRegistry } from './templates/template-registry.ts'

export interface ReconcileParts extends StopParts {
  journal: Pick<Journal, 'append'>
  removals: Removals
  locks: KeyedLock
  templates: Pick<TemplateRegistry, 'resolve'>
  clock: Clock
}

/** What was found otherwise. */
export interface Reconciled {
  /** Sandboxes that had no record. */
  adopted: number
  /** Records whose sandbox is gone. */
  missing: number
}

const PAUSE_SETTLED_MS = 300

/**
 * Brings records and engine back to agreement, by a full list: at start, after a gap in the events, and every so often.
 * Half-made sandboxes are removed, deletions and stops are finished, unknown ones of ours are adopted, missing ones are marked.
 * `atStart`: nothing is being created by this process yet, so every `creating` record is a crash's.
 */
export async function reconcile(
  parts: ReconcileParts,
  { signal, atStart }: CallOptions & { atStart: boolean },
): Promise<Reconciled> {
  const { engine, registry, removals, locks, log } = parts
  const done = { adopted: 0, missing: 0 }
  // Before the list: a sandbox that is made after it must not be taken for a missing one.
  const known = registry.all()
  const found = new Map((await engine.list({ signal })).map((sandbox) => [sandbox.id, sandbox]))

  const stops: Promise<void>[] = []
  for (const record of known) {
    if (record.status === 'deleting') removals.add(record.id)
    else if (atStart && record.disposable) discard(parts, record, 'server_restart')
    else if (record.status === 'ready') {
      if (found.get(record.id)?.status !== 'running') discard(parts, record, 'pool')
    } else if (record.status === 'warming' || record.status === 'building') {
      if (atStart) discard(parts, record, record.status === 'building' ? 'build' : 'pool')
    } else if (record.status === 'creating') {
      if (atStart) {
        log.info({ sandbox: record.id }, 'removing a sandbox whose create was cut off')
        discard(parts, record, 'server_restart')
      }
    } else if (differs(record, found.get(record.id))) {
      if (!found.has(record.id)) done.missing++
      await locks.run(record.id, () => settle(parts, record.id, { signal }), { signal })
    } else if (atStart && record.networkMoved && record.status !== 'stopped') {
      await locks.run(record.id, () => settleNetwork(parts, record, { signal }), { signal })
    } else if (record.changingTo !== null) {
      await locks.run(record.id, () => finishChange(parts, record, { signal }), { signal })
    } else if (record.stopping) {
      // All at once, and the lock is theirs from here on: a call that comes meanwhile waits for it.
      stops.push(locks.run(record.id, () => finishStop(parts, record, { signal }), { signal }))
    }
  }
  for (const sandbox of found.values()) {
    if (registry.find(sandbox.id) !== undefined) continue
    if (await locks.run(sandbox.id, () => adopt(parts, sandbox, { signal }), { signal })) done.adopted++
  }
  await Promise.all(stops)
  return done
}

/** A stop that a crash or an outage cut off; nothing, when another has finished it while this waited. */
async function finishStop(parts: ReconcileParts, record: SandboxRecord, { signal }: CallOptions): Promise<void> {
  if (!record.stopping) return
  try {
    await stopSandbox(parts, record, { signal })
  } catch (err) {
    parts.log.warn({ sandbox: record.id, err }, 'could not finish a stop, trying again within a minute')
  }
}

/** Asks the engine what one sandbox is now and corrects its record. The caller holds its lock. */
export async function settle(parts: ReconcileParts, id: string, { signal }: CallOptions): Promise<void> {
  const { engine, registry, live, log } = parts
  const record = registry.find(id)
  if (record === undefined || record.ref === null || record.status === 'creating') return
  if (!isVisible(record) && record.status !== 'ready') return
  const look = () => inspected(engine, { id, ref: record.ref ?? '' }, { signal })
  let now = await look()
  if (record.status === 'ready') {
    if (now?.status !== 'running') discard(parts, record, 'pool')
    return
  }
  if (!differs(record, now)) return
  if (isPausedOrRunning(record) && isPausedOrRunning(now)) {
    // Docker hears of a pause and of its end from below, a moment late: after a quick resume it can call the sandbox paused again.
    await sleep(PAUSE_SETTLED_MS, undefined, { signal })
    now = await look()
    if (!differs(record, now)) return
  }
  const { status, reason } = now === undefined ? { status: 'failed' as const, reason: REMOVED_OUTSIDE } : statusOf(now)
  log.warn({ sandbox: id, was: record.status, status, reason }, 'the engine says otherwise, record corrected')
  registry.update(id, { status, reason, stopping: false })
  if (status === 'paused') live.end(id, pausedMeanwhile())
  else if (status !== 'running') {
    live.end(id, new SandboxError('SANDBOX_STATE_CONFLICT', `the sandbox is not running any more: ${reason ?? status}`))
  }
}

function isPausedOrRunning(what: { status: string } | undefined): boolean {
  return what?.status === 'paused' || what?.status === 'running'
}

/** undefined: the engine has it no more. */
async function inspected(
  engine: Engine,
  { id, ref }: Pick<EngineSandbox, 'id' | 'ref'>,
  { signal }: CallOptions,
): Promise<EngineSandbox | undefined> {
  return await engine.inspect(id, ref, { signal }).catch((error: unknown) => {
    if (error instanceof SandboxError && error.code === 'SANDBOX_NOT_FOUND') return undefined
    throw error
  })
}

function differs(record: SandboxRecord, found: EngineSandbox | undefined): boolean {
  if (found === undefined) return record.status !== 'failed'
  const { status } = statusOf(found)
  return status !== record.status && !(record.status === 'failed' && status === 'stopped')
}

function statusOf(found: EngineSandbox): { status: SandboxStatus; reason: string | null } {
  if (found.status === 'running' || found.status === 'paused') return { status: found.status, reason: null }
  return { status: 'stopped', reason: endReason(found) }
}

/** Why a sandbox ended that nobody stopped through the API. */
export function endReason({ exitCode, outOfMemory }: { exitCode: number | null; outOfMemory: boolean }): string {
  if (outOfMemory) return 'it ran out of memory and was killed; create one with more resources.memory_mb'
  if (exitCode === null) return 'it ended outside of the API'
  if (exitCode === 137) return 'it was killed outside of the API (SIGKILL)'
  return `it ended outside of the API with exit code ${exitCode}`
}

/** A sandbox of ours without a record: the database is older than it, or lost. False: there was nothing to adopt. */
async function adopt(
  { engine, registry, templates, clock, log }: ReconcileParts,
  listed: EngineSandbox,
  { signal }: CallOptions,
): Promise<boolean> {
  if (registry.find(listed.id) !== undefined) return false
  // Asked again: between the list and now it may have been removed, and its record with it.
  const found = await inspected(engine, listed, { signal })
  if (found === undefined) return false
  const kept = JSON.parse(found.record) as { template: string; build?: boolean }
  if (found.status === 'created' || kept.build) {
    // A sandbox is answered with when it runs, and that of a build is nobody's.
    log.info({ sandbox: found.id }, 'removing a sandbox whose create was cut off')
    await engine.remove(found.id, found.ref, { signal })
    return false
  }
  const origin = await templates.resolve(kept.template, { signal }).catch((err: unknown) => {
    log.warn({ sandbox: found.id, err }, "the image of an adopted sandbox can't be read, its environment is lost")
    return null
  })
  const record = fromLabel(found.record, {
    ref: found.ref,
    status: statusOf(found).status,
    template: origin?.template ?? null,
    now: clock.now(),
  })
  if (record.name !== null && registry.hasName(record.name)) record.name = null
  log.warn({ sandbox: found.id }, 'adopting a sandbox that has no record')
  registry.add(record)
  return true
}

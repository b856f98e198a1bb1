import type { Engine, EngineCreated, EngineRef, Template } from '../engine/types.ts'
import { isSandboxError, SandboxError } from '../errors.ts'
import { deadline } from '../lib/deadline.ts'
import type { LiveSandboxes } from './live.ts'
import type { CallOptions } from './model.ts'
import { type SandboxRecord, toLabel } from './record.ts'
import { startUp } from './startup.ts'

/** What a start needs. `new`: nothing exists on the engine yet; `again`: it was stopped. */
export interface Launch {
  engine: Engine
  live: LiveSandboxes
  record: SandboxRecord
  how: { kind: 'new'; template: Template } | { kind: 'again'; ref: EngineRef }
  timeoutMs: number
}

/** What a start finds out, for the record. */
export interface Launched extends Pick<SandboxRecord, 'ref' | 'cwd' | 'user' | 'identity' | 'reason'> {
  /** What the engine decided instead of the record. */
  fixed: EngineCreated['fixed']
}

/**
 * From a record to a sandbox whose agent answers, whose working folder exists, and in which what its template starts is ready.
 * SANDBOX_START_FAILED when it does not within the time. What was made stays for the caller to remove or stop.
 */
export async function launch(parts: Launch, { signal }: CallOptions): Promise<Launched> {
  const { live, record, how } = parts
  const launched = await reach(parts, { signal })
  const { gone } = live.of(record)
  try {
    await startUp(live, record, { signal: signal ? AbortSignal.any([signal, gone]) : gone })
    return { ...launched, reason: null }
  } catch (error) {
    // A sandbox that has files is started all the same, for its caller to mend it.
    if (how.kind === 'new' || !isSandboxError(error, 'SANDBOX_START_FAILED') || gone.aborted) throw error
    return { ...launched, reason: error.message }
  }
}

async function reach(
  { engine, live, record, how, timeoutMs }: Launch,
  { signal }: CallOptions,
): Promise<Omit<Launched, 'reason'>> {
  const { gone } = live.of(record)
  using limit = deadline(timeoutMs, () => tooLate(timeoutMs), signal ? AbortSignal.any([signal, gone]) : gone)
  const bounded = limit.signal
  bounded.throwIfAborted()
  let fixed: EngineCreated['fixed'] = null
  if (how.kind === 'new') {
    const spec = {
      id: record.id,
      template: how.template,
      resources: record.resources,
      network: record.network,
      mounts: record.volumes.map(({ ref, path, readOnly }) => ({ volume: ref, path, readOnly })),
      record: toLabel(record),
    }
    const made = await engine.create(spec, { signal: bounded })
    record.ref = made.ref
    fixed = made.fixed
    Object.assign(record, decided(record, fixed))
  }
  const ref = how.kind === 'again' ? how.ref : record.ref
  if (ref === null) throw new SandboxError('INTERNAL', 'the engine made a sandbox without a reference')
  if (record.networkMoved) await engine.setNetwork(record.id, ref, record.network, { signal: bounded })
  await engine.start(record.id, ref, { signal: bounded })
  const client = await live.client(record, { signal: bounded })
  const { uid, gid, cwdAccessible } = await client.prepare(record, { signal: bounded })
  // Told while it costs nothing. A sandbox that has files is started all the same, for root to mend it.
  if (how.kind === 'new' && !cwdAccessible) throw cwdNotAccessible(record)
  return { ref, cwd: record.cwd, user: record.user, identity: { uid, gid }, fixed }
}

export function cwdNotAccessible({ user, cwd }: Pick<SandboxRecord, 'cwd' | 'user'>): SandboxError {
  return new SandboxError('CWD_NOT_ACCESSIBLE', `user ${user} may not work in ${cwd}; give another cwd or user`)
}

function tooLate(timeoutMs: number): SandboxError {
  return new SandboxError(
    'SANDBOX_START_FAILED',
    `the sandbox did not answer within ${timeoutMs / 1000} s of its start; the engine may be overloaded, try again`,
  )
}

/** The local engine has one user, and one folder: paths below it stay, all others become the folder itself. */
export function decided(
  { cwd, user }: Pick<SandboxRecord, 'cwd' | 'user'>,
  fixed: EngineCreated['fixed'],
): Pick<SandboxRecord, 'cwd' | 'user'> {
  if (fixed === null) return { cwd, user }
  return { user: fixed.user, cwd: cwd.startsWith(`${fixed.cwd}/`) ? cwd : fixed.cwd }
}

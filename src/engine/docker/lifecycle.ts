import { setTimeout as delay } from 'node:timers/promises'
import { isSandboxError, SandboxError } from '../../errors.ts'
import type { CallOptions, Resources } from '../types.ts'
import { engineCall, statusOf } from './calls.ts'
import type { Context } from './context.ts'
import { changeableLimits } from './spec.ts'

/** Ends all processes with SIGKILL. No-op when stopped. */
export async function stopContainer(
  { docker, timeouts }: Context,
  id: string,
  ref: string,
  { signal }: CallOptions,
): Promise<void> {
  try {
    await engineCall('container.change', (abortSignal) => docker.getContainer(ref).stop({ t: 0, abortSignal }), {
      signal,
      timeoutMs: timeouts.changeMs,
      name: id,
    })
  } catch (error) {
    if (!notModified(error)) throw error
  }
}

/** Whether the engine said that there was nothing to do. */
export function notModified(error: unknown): boolean {
  return error instanceof SandboxError && statusOf(error.cause) === 304
}

export async function pauseContainer(context: Context, id: string, ref: string, options: CallOptions): Promise<void> {
  await change(context, id, ref, 'pause', options)
}

export async function resumeContainer(context: Context, id: string, ref: string, options: CallOptions): Promise<void> {
  await change(context, id, ref, 'unpause', options)
}

/** Of a running one too: the kernel refuses less memory than is in use. */
export async function updateContainer(
  { docker, timeouts }: Context,
  id: string,
  ref: string,
  resources: Resources,
  { signal }: CallOptions,
): Promise<void> {
  try {
    await engineCall(
      'container.change',
      (abortSignal) => docker.getContainer(ref).update({ ...changeableLimits(resources), abortSignal }),
      { signal, timeoutMs: timeouts.changeMs, name: id },
    )
  } catch (error) {
    if (!isSandboxError(error, 'INTERNAL') || statusOf(error.cause) !== 500) throw error
    throw new SandboxError(
      'SANDBOX_STATE_CONFLICT',
      'the engine could not set these limits; if it uses more memory than that now, end some of its processes first',
      { cause: error.cause },
    )
  }
}

/** Freezing what is frozen, or not running, is 409 or 500 by the engine's version: either is a conflict of states. */
async function change(
  { docker, timeouts }: Context,
  id: string,
  ref: string,
  action: 'pause' | 'unpause',
  { signal }: CallOptions,
): Promise<void> {
  try {
    await engineCall('container.change', (abortSignal) => docker.getContainer(ref)[action]({ abortSignal }), {
      signal,
      timeoutMs: timeouts.changeMs,
      name: id,
    })
  } catch (error) {
    if (!(error instanceof SandboxError) || error.code !== 'INTERNAL' || statusOf(error.cause) !== 500) throw error
    throw new SandboxError(
      'SANDBOX_STATE_CONFLICT',
      `sandbox ${id} can't ${action === 'pause' ? 'pause' : 'resume'} in its present state`,
      {
        cause: error.cause,
      },
    )
  }
}

const REMOVE_ATTEMPTS = 4

/**
 * Kills and removes a container with its anonymous volumes, in every state. `nameOrRef`: the full id, or the name we gave.
 * Nothing there is success; a removal that somebody else began is waited for.
 */
export async function removeContainer(
  { docker, timeouts }: Context,
  id: string,
  nameOrRef: string,
  { signal }: CallOptions,
): Promise<void> {
  const container = docker.getContainer(nameOrRef)
  const call = { signal, timeoutMs: timeouts.changeMs, name: id }
  for (let attempt = 1; ; attempt++) {
    try {
      await engineCall(
        'container.change',
        (abortSignal) => container.remove({ force: true, v: true, abortSignal }),
        call,
      )
      return
    } catch (error) {
      if (isSandboxError(error, 'SANDBOX_NOT_FOUND')) return
      const retriable = isSandboxError(error, 'SANDBOX_STATE_CONFLICT') || isSandboxError(error, 'INTERNAL')
      if (!retriable || attempt === REMOVE_ATTEMPTS) throw error
      // 409: removal already in progress. 500: a mount that is still busy. Both pass.
      await delay(50 * 2 ** attempt, undefined, { signal })
    }
  }
}

import { SandboxError } from '../errors.ts'
import type { CallOptions, SandboxStatus } from './model.ts'
import type { Registry } from './registry.ts'

/** Resolves when it has one of the statuses, is gone, or the time is over. Rejects with the signal's reason. */
export async function waitForStatus(
  registry: Registry,
  id: string,
  statuses: readonly SandboxStatus[],
  waitMs: number,
  { signal }: CallOptions,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const look = () => {
    const status = registry.find(id)?.status ?? 'deleting'
    if (status === 'deleting' || (statuses as readonly string[]).includes(status)) resolve()
  }
  const leave = () => reject(signal?.reason ?? new SandboxError('CLIENT_GONE', 'the client went away'))
  const unwatch = registry.watch(id, look)
  const timer = setTimeout(resolve, waitMs)
  signal?.addEventListener('abort', leave, { once: true })
  try {
    signal?.throwIfAborted()
    look()
    await promise
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', leave)
    unwatch()
  }
}

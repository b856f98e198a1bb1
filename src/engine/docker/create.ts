import { SandboxError } from '../../errors.ts'
import type { CallOptions, SandboxSpec } from '../types.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import type { DialLinks } from './dial-links.ts'
import { RECORD_LIMIT_BYTES } from './labels.ts'
import { removeContainer } from './lifecycle.ts'
import { runDirOf } from './link-socket.ts'
import { containerSpec, type SpecFacts } from './spec.ts'

/**
 * Makes a sandbox's container and, on the dial link, its listener. The engine may finish a create that nobody waits for any
 * more, so one that was given up is waited for in the background and removed.
 */
export async function createContainer(
  context: Context,
  links: DialLinks,
  spec: SandboxSpec,
  facts: Omit<SpecFacts, 'runDir'>,
  { signal }: CallOptions,
): Promise<string> {
  const { docker, options, timeouts } = context
  const { id, template } = spec
  if (Buffer.byteLength(spec.record) > RECORD_LIMIT_BYTES) {
    throw new SandboxError('INTERNAL', `the record of sandbox ${id} is over ${RECORD_LIMIT_BYTES} bytes`)
  }
  signal?.throwIfAborted()
  const body = containerSpec(spec, { ...facts, runDir: runDirOf(options.dataDir, id) })
  if (facts.link === 'dial') await links.open(id)
  // The body apart from the query: dockerode would put all of it, the token too, in the URL else.
  const request = { _query: { name: `k2-${id}` }, _body: body } as object
  const call = { timeoutMs: timeouts.changeMs, name: template.reference }
  const creating = engineCall(
    'container.create',
    (abortSignal) => docker.createContainer({ ...request, abortSignal } as object),
    call,
  )
  try {
    const { id: ref } = await withSignal(creating, signal)
    return ref
  } catch (error) {
    const cleaning = cleanUp(context, links, id, creating)
    // Who left does not wait; whoever gets the engine's own refusal may rely on nothing being there.
    if (signal?.aborted)
      cleaning.catch((err: unknown) => context.log.warn({ err, sandbox: id }, 'an abandoned create was not cleaned up'))
    else await cleaning.catch(() => undefined)
    throw error
  }
}

async function cleanUp(context: Context, links: DialLinks, id: string, creating: Promise<unknown>): Promise<void> {
  const made = await creating.then(
    () => true,
    (error: unknown) => error instanceof SandboxError && error.code === 'ENGINE_TIMEOUT',
  )
  if (made) await removeContainer(context, id, `k2-${id}`, {})
  await links.remove(id)
}

/** Rejects with the signal's reason as soon as it fires; the promise goes on. */
async function withSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  const left = Promise.withResolvers<never>()
  left.promise.catch(() => undefined)
  const onAbort = (): void => left.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, left.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

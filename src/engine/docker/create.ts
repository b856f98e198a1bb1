import { isSandboxError, SandboxError } from '../../errors.ts'
import { untilAborted } from '../../lib/deadline.ts'
import type { CallOptions, SandboxSpec } from '../types.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import type { DialLinks } from './dial-links.ts'
import { makeVolumePlaces } from './image-volumes.ts'
import { containerName, RECORD_LIMIT_BYTES } from './labels.ts'
import { removeContainer } from './lifecycle.ts'
import { runDirOf } from './link-socket.ts'
import { containerSpec, type SpecFacts, withoutMounts } from './spec.ts'

export interface Creation {
  /** The container's full id. Rejects with the signal's reason as soon as it fires. */
  ref: Promise<string>
  /** Resolves when nothing of it is under way any more, its clean-up included. Never rejects. */
  settled: Promise<void>
}

/**
 * Makes a sandbox's container and, on the dial link, its listener. The engine may finish a create that nobody waits for any
 * more, so one that was given up is waited for in the background and removed. Leaves nothing behind when it fails.
 */
export function createContainer(
  context: Context,
  links: DialLinks,
  spec: SandboxSpec,
  facts: Omit<SpecFacts, 'runDir'>,
  { signal }: CallOptions,
): Creation {
  signal?.throwIfAborted()
  const making = make(context, links, spec, facts)
  const outcome = untilAborted(making, signal)
  const settled = outcome
    .then(
      () => undefined,
      (error: unknown) => cleanUp(context, links, spec.id, making, error),
    )
    .catch((err: unknown) => context.log.warn({ err, sandbox: spec.id }, 'what a failed create left was not removed'))
  // The engine's own refusal is passed on after the clean-up; who left does not wait for it.
  const ref = outcome.catch(async (error: unknown) => {
    if (!signal?.aborted) await settled
    throw error
  })
  return { ref, settled }
}

async function make(
  context: Context,
  links: DialLinks,
  spec: SandboxSpec,
  facts: Omit<SpecFacts, 'runDir'>,
): Promise<string> {
  const { docker, options, timeouts } = context
  const { id, template } = spec
  if (Buffer.byteLength(spec.record) > RECORD_LIMIT_BYTES) {
    throw new SandboxError('INTERNAL', `the record of sandbox ${id} is over ${RECORD_LIMIT_BYTES} bytes`)
  }
  const body = containerSpec(spec, { ...facts, runDir: runDirOf(options.dataDir, id) })
  if (facts.link === 'dial') await links.open(id)
  // The body apart from the query: dockerode would put all of it, the token too, in the URL else.
  const request = { _query: { name: containerName(options.secret, id) }, _body: body } as object
  const call = { timeoutMs: timeouts.changeMs, name: template.reference }
  const container = await engineCall(
    'container.create',
    (abortSignal) => docker.createContainer({ ...request, abortSignal } as object),
    call,
  )
  try {
    await makeVolumePlaces(context, container.id, withoutMounts(template.volumes, spec.mounts ?? []))
  } catch (error) {
    await removeContainer(context, id, container.id, {})
    throw error
  }
  return container.id
}

async function cleanUp(
  context: Context,
  links: DialLinks,
  id: string,
  making: Promise<string>,
  error: unknown,
): Promise<void> {
  // The name is taken: there is a sandbox of this id already, and its link is not ours to touch.
  if (isSandboxError(error, 'SANDBOX_STATE_CONFLICT')) return
  const ref = await making.catch((thrown: unknown) =>
    isSandboxError(thrown, 'ENGINE_TIMEOUT') ? containerName(context.options.secret, id) : null,
  )
  if (ref !== null) await removeContainer(context, id, ref, {})
  await links.remove(id)
}

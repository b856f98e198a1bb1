import { isSandboxError, SandboxError } from '../../errors.ts'
import { deadline } from '../../lib/deadline.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import { notModified } from './lifecycle.ts'
import type { DialLink } from './link-dial.ts'
import { type OutputWatch, watchOutput } from './output-watch.ts'

/**
 * Starts one container and watches it until its agent has proved itself (`link` given: the dial link) or, on the exec
 * link, until the engine says that it runs: then the watch is handed over, open, since the agent may still end.
 * No-op (null) when it runs already. Throws SANDBOX_START_FAILED with the last lines it printed when the engine refuses
 * it, or when it dies meanwhile.
 */
export async function startContainer(
  context: Context,
  id: string,
  ref: string,
  link: DialLink | null,
  signal: AbortSignal | undefined,
): Promise<OutputWatch | null> {
  const { docker, timeouts } = context
  const watch = await watchOutput(context, id, ref, signal)
  let handedOver = false
  try {
    const cutRunBefore = link?.markRun()
    await engineCall('container.start', (abortSignal) => docker.getContainer(ref).start({ abortSignal } as object), {
      signal,
      timeoutMs: timeouts.changeMs,
      name: id,
    })
    cutRunBefore?.()
    if (link !== null) await agentReady(context, id, link, watch, signal)
    else handedOver = true
    return handedOver ? watch : null
  } catch (error) {
    if (notModified(error)) return null
    throw withOutput(error, watch)
  } finally {
    if (!handedOver) watch.close()
  }
}

/** What is thrown for a sandbox that ended before its agent was reached. */
export function endedAtStart(id: string, watch: OutputWatch): SandboxError {
  const ended = new SandboxError('SANDBOX_START_FAILED', `sandbox ${id} ended while it was starting`)
  return withOutput(ended, watch) as SandboxError
}

async function agentReady(
  { timeouts }: Context,
  id: string,
  link: DialLink,
  watch: OutputWatch,
  signal: AbortSignal | undefined,
): Promise<void> {
  const late = (): Error =>
    new SandboxError(
      'SANDBOX_START_FAILED',
      `sandbox ${id} started, but its agent did not answer within ${timeouts.connectMs} ms`,
    )
  using limit = deadline(timeouts.connectMs, late, signal)
  const over = new AbortController()
  const died = watch.ended.then(() => {
    throw endedAtStart(id, watch)
  })
  died.catch(() => undefined)
  try {
    await Promise.race([link.ready(AbortSignal.any([limit.signal, over.signal])), died])
  } finally {
    over.abort()
  }
}

/** What the container printed goes to the caller; the engine's own words stay in the cause. */
function withOutput(error: unknown, watch: OutputWatch): unknown {
  if (!isSandboxError(error, 'SANDBOX_START_FAILED')) return error
  const output = watch.text()
  if (output === '') return error
  return new SandboxError(error.code, error.message, { cause: error.cause, details: { ...error.details, output } })
}

import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { isSandboxError, SandboxError } from '../../errors.ts'
import { deadline } from '../../lib/deadline.ts'
import type { Context } from './context.ts'
import { inspectContainer } from './inspect.ts'
import type { DialLink } from './link-dial.ts'
import { openExecLink } from './link-exec.ts'
import type { OutputWatch } from './output-watch.ts'
import { endedAtStart } from './start.ts'

/** An agent that is there answers long before; after this it is asked whether its container still runs. */
const DOUBT_MS = 300
const END_TOLD_MS = 1000

/**
 * The next connection of the agent on the dial link. SANDBOX_STATE_CONFLICT when the sandbox does not run,
 * AGENT_UNAVAILABLE when the agent does not answer within `timeouts.connectMs`.
 */
export async function connectByDial(
  context: Context,
  id: string,
  ref: string,
  link: DialLink,
  signal: AbortSignal | undefined,
): Promise<Duplex> {
  const { connectMs } = context.timeouts
  using limit = deadline(connectMs, () => unanswered(id, connectMs), signal)
  const over = new AbortController()
  const bounded = AbortSignal.any([limit.signal, over.signal])
  const doubt = watchState(context, id, ref, bounded)
  doubt.catch(() => undefined)
  try {
    return await Promise.race([link.next(bounded), doubt])
  } finally {
    over.abort()
  }
}

/** A new stream on the exec link. `starting`: the output of a container that was just started, for the reason of its
 * end; `onReached`: the agent has said something. */
export async function connectByExec(
  context: Context,
  id: string,
  ref: string,
  starting: OutputWatch | null,
  onReached: () => void,
  signal: AbortSignal | undefined,
): Promise<Duplex> {
  const { connectMs } = context.timeouts
  using limit = deadline(connectMs, () => unanswered(id, connectMs), signal)
  const reason = async (): Promise<Error | null> => (starting === null ? null : reasonOfEnd(id, starting))
  try {
    return await openExecLink(context, id, ref, { reason, onReached, signal: limit.signal })
  } catch (error) {
    // The engine's two words for a container that has ended, or just does.
    const ending = isSandboxError(error, 'SANDBOX_STATE_CONFLICT') || isSandboxError(error, 'AGENT_UNAVAILABLE')
    throw (ending ? await reason() : null) ?? error
  }
}

/** The end of its output is told a moment later than the end of what was executed in it. null: it has not ended. */
async function reasonOfEnd(id: string, starting: OutputWatch): Promise<Error | null> {
  const over = new AbortController()
  await Promise.race([starting.ended, delay(END_TOLD_MS, undefined, { signal: over.signal }).catch(() => undefined)])
  over.abort()
  return starting.over ? endedAtStart(id, starting) : null
}

/** Rejects when the sandbox stops running; never resolves. */
async function watchState(context: Context, id: string, ref: string, signal: AbortSignal): Promise<never> {
  for (;;) {
    await delay(DOUBT_MS, undefined, { signal })
    const { status } = await inspectContainer(context, id, ref, { signal })
    if (status !== 'running') {
      throw new SandboxError('SANDBOX_STATE_CONFLICT', `sandbox ${id} is ${status}, not running`)
    }
  }
}

function unanswered(id: string, timeoutMs: number): SandboxError {
  return new SandboxError(
    'AGENT_UNAVAILABLE',
    `the agent of sandbox ${id} did not answer within ${timeoutMs} ms; try again, or restart the sandbox`,
    { details: { retryAfterSeconds: 1 } },
  )
}

import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { SandboxError } from '../../errors.ts'
import type { CallOptions } from '../types.ts'
import type { Context } from './context.ts'
import { startDeadline } from './deadline.ts'
import { inspectContainer } from './inspect.ts'
import type { DialLink } from './link-dial.ts'
import { openExecLink } from './link-exec.ts'

/** An agent that is there answers long before; after this it is asked whether its container still runs. */
const DOUBT_MS = 300

/**
 * The next stream to the agent of a running sandbox. SANDBOX_STATE_CONFLICT when it does not run, AGENT_UNAVAILABLE when the
 * agent does not answer within `timeouts.connectMs`.
 */
export async function connectAgent(
  context: Context,
  id: string,
  ref: string,
  link: DialLink | null,
  { signal }: CallOptions,
): Promise<Duplex> {
  const { connectMs } = context.timeouts
  using deadline = startDeadline(connectMs, signal, () => unanswered(id, connectMs))
  if (link === null) return execLink(context, id, ref, deadline.signal)
  const doubt = watchState(context, id, ref, deadline.signal)
  doubt.catch(() => undefined)
  try {
    return await Promise.race([link.next(deadline.signal), doubt])
  } finally {
    deadline.abort(new Error('over'))
  }
}

async function execLink(context: Context, id: string, ref: string, signal: AbortSignal): Promise<Duplex> {
  return openExecLink(context, id, ref, signal)
}

/** Rejects when the sandbox stops running; never resolves. */
async function watchState(context: Context, id: string, ref: string, signal: AbortSignal): Promise<never> {
  for (;;) {
    await delay(DOUBT_MS, undefined, { signal })
    const { status } = await inspectContainer(context, id, ref, { signal })
    if (status !== 'running')
      throw new SandboxError('SANDBOX_STATE_CONFLICT', `sandbox ${id} is ${status}, not running`)
  }
}

function unanswered(id: string, timeoutMs: number): SandboxError {
  return new SandboxError(
    'AGENT_UNAVAILABLE',
    `the agent of sandbox ${id} did not answer within ${timeoutMs} ms; try again, or restart the sandbox`,
    {
      details: { retryAfterSeconds: 1 },
    },
  )
}

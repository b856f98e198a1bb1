import type { Duplex } from 'node:stream'
import { SandboxError } from '../../errors.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import { demux } from './demux.ts'
import { AGENT_PATH, AGENT_SOCKET } from './spec.ts'
import { Tail } from './tail.ts'

const STDERR_LIMIT_BYTES = 2048

interface ExecLinkOptions {
  /** Why the sandbox can't be reached, where that is known. */
  reason: () => Promise<Error | null>
  /** Called with the agent's first byte. */
  onReached: () => void
  signal: AbortSignal
}

/**
 * A stream joined to the agent's socket by `docker exec agent connect`. The engine answers before the program runs: when
 * it could not reach the agent, the stream fails with what `reason` gives, else AGENT_UNAVAILABLE (`cause` has its words).
 */
export async function openExecLink(
  { docker, timeouts }: Context,
  id: string,
  ref: string,
  { reason, onReached, signal }: ExecLinkOptions,
): Promise<Duplex> {
  const call = { signal, timeoutMs: timeouts.connectMs, name: id }
  const exec = await engineCall(
    'exec',
    (abortSignal) =>
      docker.getContainer(ref).exec({
        Cmd: [AGENT_PATH, 'connect', AGENT_SOCKET],
        User: '0',
        WorkingDir: '/',
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        Tty: false,
        abortSignal,
      }),
    call,
  )
  const stream = await engineCall(
    'exec',
    (abortSignal) => exec.start({ hijack: true, stdin: true, abortSignal }) as Promise<Duplex>,
    call,
  )
  const stderr = new Tail(STDERR_LIMIT_BYTES)
  return demux(stream, {
    onStderr: (chunk) => stderr.write(chunk),
    onFirst: onReached,
    whenEmpty: async () =>
      (await reason()) ??
      new SandboxError('AGENT_UNAVAILABLE', `the agent of sandbox ${id} can't be reached; try again`, {
        cause: new Error(`agent connect: ${stderr.text() || 'ended without a word'}`),
        details: { retryAfterSeconds: 1 },
      }),
  })
}

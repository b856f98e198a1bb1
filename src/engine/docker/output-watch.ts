import type { Duplex } from 'node:stream'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import { demux } from './demux.ts'
import { HeadAndTail } from './tail.ts'

/** Of a crash the first line says the reason, and hundreds may follow. */
const HEAD_BYTES = 2048
const TAIL_BYTES = 6144

/** What a container prints while it starts. Its log driver is `none`, so what is not caught here is gone. */
export interface OutputWatch {
  /** Resolves when the container's output ended: it died, or was never started. */
  ended: Promise<void>
  /** Whether it ended before `close`. */
  readonly over: boolean
  /** Both streams together, at most 8 KiB: the first 2 and the last 6 where there was more. */
  text(): string
  /** Stops listening. Idempotent. */
  close(): void
}

/** Attaches to a container that is not started yet. */
export async function watchOutput(
  { docker, timeouts }: Context,
  id: string,
  ref: string,
  signal: AbortSignal | undefined,
): Promise<OutputWatch> {
  const options = { stream: true, stdout: true, stderr: true, hijack: true }
  const stream = await engineCall(
    'container.read',
    (abortSignal) => docker.getContainer(ref).attach({ ...options, abortSignal }) as Promise<Duplex>,
    { signal, timeoutMs: timeouts.callMs, name: id },
  )
  const kept = new HeadAndTail(HEAD_BYTES, TAIL_BYTES)
  const output = demux(stream, { onStderr: (chunk) => kept.write(chunk) })
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  let over = false
  let closed = false
  const onEnd = (): void => {
    if (!closed) over = true
    resolve()
  }
  output.on('data', (chunk: Buffer) => kept.write(chunk))
  output.on('error', () => undefined)
  output.on('end', onEnd)
  output.on('close', onEnd)
  const close = (): void => {
    closed = true
    output.destroy()
  }
  return {
    ended,
    get over(): boolean {
      return over
    },
    text: () => kept.text().trim(),
    close,
  }
}

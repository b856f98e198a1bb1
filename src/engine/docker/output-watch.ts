import type { Duplex } from 'node:stream'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import { demux } from './demux.ts'
import { Tail } from './tail.ts'

const OUTPUT_LIMIT_BYTES = 8192

/** What a container prints while it starts. Its log driver is `none`, so what is not caught here is gone. */
export interface OutputWatch {
  /** Resolves when the container's output ended: it died, or was never started. */
  ended: Promise<void>
  /** Whether it ended before `close`. */
  readonly over: boolean
  /** Last lines of both streams, at most 8 KiB. */
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
  const tail = new Tail(OUTPUT_LIMIT_BYTES)
  const output = demux(stream, { onStderr: (chunk) => tail.write(chunk) })
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  let over = false
  let closed = false
  const onEnd = (): void => {
    if (!closed) over = true
    resolve()
  }
  output.on('data', (chunk: Buffer) => tail.write(chunk))
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
    text: () => tail.text().trim(),
    close,
  }
}

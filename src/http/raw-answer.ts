/** Answers that are bytes as they come, of a length that nobody knows yet. */
import { PassThrough } from 'node:stream'
import type { FastifyReply } from 'fastify'

/** What is waiting for the client beside the socket's own buffer, before the source is slowed down. */
const AHEAD_BYTES = 256 * 1024

export interface RawOutput {
  /** The answer's head goes out now: what fails from here on cuts the answer. */
  begin(): void
  /** Await what it returns, if anything: the client is slow. */
  write(bytes: Uint8Array): void | Promise<void>
}

/**
 * Answers with what `run` writes. What it throws before `begin` is thrown here, and gets an answer of its own; after that the
 * connection is cut, so that an answer that is not whole never looks so.
 */
export async function answerRaw(
  reply: FastifyReply,
  { type, headers = {} }: { type: string; headers?: Record<string, string> },
  run: (output: RawOutput) => Promise<void>,
): Promise<FastifyReply> {
  const out = new PassThrough({ highWaterMark: AHEAD_BYTES })
  const begun = Promise.withResolvers<void>()
  let began = false
  let wake = () => {}
  for (const event of ['drain', 'close', 'error']) out.on(event, () => wake())
  const output: RawOutput = {
    begin() {
      began = true
      begun.resolve()
    },
    write(bytes) {
      if (out.destroyed || out.write(bytes)) return
      return new Promise((resolve) => {
        wake = resolve
      })
    },
  }
  run(output).then(
    () => {
      output.begin()
      out.end()
    },
    (error: Error) => {
      if (began) out.destroy(error)
      else begun.reject(error)
    },
  )
  await begun.promise
  // What has nothing to say yet has begun all the same.
  reply.raw.once('pipe', () => reply.raw.flushHeaders())
  return reply
    .type(type)
    .headers({ 'cache-control': 'no-store', 'x-accel-buffering': 'no', ...headers })
    .send(out)
}

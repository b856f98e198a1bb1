import type { FastifyReply } from 'fastify'
import { SandboxError } from '../errors.ts'

/**
 * Aborts when the client's connection ends before the answer was written; the reason is a CLIENT_GONE.
 * Watches the response: `request.signal` aborts as soon as a body was read (fastify 5.12), also when nobody left.
 */
export function clientGone(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  const leave = () => {
    if (!reply.raw.writableFinished)
      controller.abort(new SandboxError('CLIENT_GONE', 'the client went away before the answer'))
  }
  if (reply.raw.destroyed) leave()
  else reply.raw.once('close', leave)
  return controller.signal
}

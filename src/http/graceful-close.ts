import type { ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { SandboxError } from '../errors.ts'
import type { EndlessAnswers } from './endless.ts'

/**
 * On `app.close()`: endless answers end, requests in flight get `graceMs` to finish, new ones a 503, and what is left then is cut (which aborts
 * its work through clientGone).
 */
export function finishBeforeClose(
  app: FastifyInstance,
  { graceMs, endless }: { graceMs: number; endless: EndlessAnswers },
): void {
  const inFlight = new Set<ServerResponse>()
  let closing = false
  let onIdle = () => {}

  app.addHook('onRequest', async (_request, reply) => {
    if (closing) {
      reply.header('connection', 'close')
      throw new SandboxError('SHUTTING_DOWN', 'The server is stopping; try again in a moment', {
        details: { retryAfterSeconds: 2 },
      })
    }
    inFlight.add(reply.raw)
    reply.raw.once('close', () => {
      inFlight.delete(reply.raw)
      if (inFlight.size === 0) onIdle()
    })
  })

  app.addHook('preClose', async () => {
    closing = true
    endless.end()
    if (inFlight.size === 0) return
    for (const response of inFlight) {
      if (!response.headersSent) response.setHeader('connection', 'close')
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    onIdle = resolve
    const timer = setTimeout(() => {
      app.log.warn({ requests: inFlight.size }, 'requests still running at the end of the grace period were cut')
      app.server.closeAllConnections()
      // Node does not count those that speak another protocol by now.
      for (const response of inFlight) response.destroy()
      resolve()
    }, graceMs)
    await promise
    clearTimeout(timer)
  })
}

import type { ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { SandboxError } from '../errors.ts'

/**
 * On `app.close()`: requests in flight get `graceMs` to finish, new ones a 503, and what is left then is cut (which aborts
 * its work through clientGone).
 */
export function finishBeforeClose(app: FastifyInstance, { graceMs }: { graceMs: number }): void {
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
    if (inFlight.size === 0) return
    for (const response of inFlight) {
      if (!response.headersSent) response.setHeader('connection', 'close')
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    onIdle = resolve
    const timer = setTimeout(() => {
      app.log.warn({ requests: inFlight.size }, 'requests still running at the end of the grace period were cut')
      app.server.closeAllConnections()
      resolve()
    }, graceMs)
    await promise
    clearTimeout(timer)
  })
}

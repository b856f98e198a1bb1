/** The log: one JSON object a line (so control characters are escaped), no headers, no bodies, no query strings. */
import { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, fastify } from 'fastify'

interface LoggerOptions {
  /** Pino's levels, `silent` included. */
  level: string
  /** Gets each line; standard output when absent. */
  destination?: { write(line: string): void }
}

/** A logger for what starts before the app does; give it to buildApp too. */
export function createLogger({ level, destination }: LoggerOptions): FastifyBaseLogger {
  // Fastify brings pino and makes it; an instance is the supported way to it.
  return fastify({ logger: { level, ...(destination && { stream: destination }) } }).log
}

/** One line a request, when it has been answered or cut. */
export function logRequests(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    const fields = {
      method: request.method,
      path: pathOf(request),
      status: reply.statusCode,
      duration_ms: reply.elapsedTime,
    }
    request.log.info(fields, 'answered')
  })
}

const MAX_PATH_CHARACTERS = 512

export function pathOf(request: FastifyRequest): string {
  return (request.url.split('?', 1)[0] ?? '').slice(0, MAX_PATH_CHARACTERS)
}

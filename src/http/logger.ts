/** The log: one JSON object a line (so control characters are escaped), no headers, no bodies, no query strings. */
import { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, fastify } from 'fastify'
import { destination as batches } from 'pino'

interface LoggerOptions {
  /** Pino's levels, `silent` included. */
  level: string
  /** Gets each line. Absent: standard output, in batches. */
  destination?: { write(line: string): void }
}

/**
 * Lines wait for company, at most so long: a write of its own for each is a tenth of a short command. A crash of the process itself
 * (SIGKILL, not an exception) loses what waits.
 */
const BATCH_MS = 100
const BATCH_BYTES = 4096

/** A logger for what starts before the app does; give it to buildApp too. */
export function createLogger({ level, destination }: LoggerOptions): FastifyBaseLogger {
  const stream = destination ?? batches({ sync: false, minLength: BATCH_BYTES, periodicFlush: BATCH_MS })
  // Fastify makes it, with its serialisers of requests and errors.
  return fastify({ logger: { level, stream } }).log
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

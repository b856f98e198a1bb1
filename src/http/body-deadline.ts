/** Ends requests whose bodies do not arrive. Node's own limit counts the whole body, also of an upload that may take an hour. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { answerBrokenRequest } from './broken-request.ts'
import { hasRawBody } from './raw-body.ts'

interface BodyDeadlines {
  /** For all of a body that is read as a whole. */
  requestTimeoutMs: number
  /** For the next bytes of one that is passed on, while we wait for them. */
  stalledMs: number
}

export function boundBodies(app: FastifyInstance, { requestTimeoutMs, stalledMs }: BodyDeadlines): void {
  app.addHook('onRequest', async (request) => {
    const { raw } = request
    if (raw.complete || !announcesBody(request)) return
    const timer = hasRawBody(request)
      ? setInterval(onStall(request), stalledMs)
      : setTimeout(() => late(request), requestTimeoutMs)
    const clear = () => clearTimeout(timer)
    raw.once('end', clear).once('close', clear)
  })
  // Node reads the rest of a body that nobody began to read, but not of one that was left in the middle: it would block the connection.
  app.addHook('onResponse', async ({ raw }) => {
    if (!raw.readableEnded) raw.unpipe().resume()
  })
}

/** The client sent nothing since the last look, and it is not we who keep it waiting. */
function onStall(request: FastifyRequest): () => void {
  const { raw } = request
  let seen = raw.socket.bytesRead
  return () => {
    if (raw.socket.bytesRead === seen && raw.readableLength === 0) late(request)
    seen = raw.socket.bytesRead
  }
}

function late({ raw }: FastifyRequest): void {
  answerBrokenRequest(Object.assign(new Error('late body'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), raw.socket)
}

function announcesBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

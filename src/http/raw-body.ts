/** Bodies that are streams of bytes: files, archives, standard input. They are passed on as they come, and never held. */
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route takes a stream of bytes: of any type, or of any but JSON. */
    rawBody?: 'any type' | 'not JSON'
  }
}

/** In the scope of a plugin: `request.body` is the stream itself, unread, for every content type that has no parser there. */
export function parseRawBodies(app: FastifyInstance): void {
  app.addContentTypeParser('*', (_request: FastifyRequest, payload: IncomingMessage, done) => done(null, payload))
}

/** Whether this request's body is such a stream. */
export function hasRawBody({ routeOptions, headers }: FastifyRequest): boolean {
  const { rawBody } = routeOptions.config
  if (rawBody === undefined) return false
  return rawBody === 'any type' || !/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')
}

/** For a request that has no body at all, which is the same as an empty one. */
export function emptyBody(): Readable {
  return Readable.from([])
}

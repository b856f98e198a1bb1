import type { FastifyInstance } from 'fastify'
import { SandboxError } from '../errors.ts'

interface KnownRoute {
  segments: string[]
  methods: string[]
}

/**
 * 404 for a path that nothing serves, 405 with Allow for one that other methods are served on. Answers before a body is
 * read. Call it before routes are registered: it learns them as they come.
 */
export function answerUnknownRoutes(app: FastifyInstance): void {
  const routes: KnownRoute[] = []
  app.addHook('onRoute', ({ url, method }) => {
    routes.push({ segments: url.split('/'), methods: [method].flat() })
  })
  app.addHook('onRequest', async (request, reply) => {
    if (!request.is404) return
    const methods = allowedMethods(routes, request.url.split('?', 1)[0] ?? '')
    if (methods.length === 0) throw new SandboxError('ROUTE_NOT_FOUND', 'Not Found')
    reply.header('allow', methods.join(', '))
    throw new SandboxError('METHOD_NOT_ALLOWED', 'Method Not Allowed')
  })
  app.setNotFoundHandler(() => {
    throw new SandboxError('ROUTE_NOT_FOUND', 'Not Found')
  })
}

function allowedMethods(routes: KnownRoute[], path: string): string[] {
  const segments = path.split('/')
  const matching = routes.filter((route) => matches(route.segments, segments))
  return [...new Set(matching.flatMap((route) => route.methods))].sort()
}

function matches(pattern: string[], segments: string[]): boolean {
  const wild = pattern.indexOf('*')
  if (wild === -1 && pattern.length !== segments.length) return false
  const fixed = wild === -1 ? pattern : pattern.slice(0, wild)
  return fixed.every((part, index) => (part.startsWith(':') ? segments[index] !== '' : part === segments[index]))
}

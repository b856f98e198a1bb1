/** The API in a browser, at /docs; everything it loads comes from this server. */
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'

/** No inline scripts. The UI sets inline styles and embeds its icons as data. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

export async function serveDocs(app: FastifyInstance): Promise<void> {
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    theme: { title: 'K2 Sandbox API' },
    staticCSP: CONTENT_SECURITY_POLICY,
    // The validator badge would send the document's address to another server.
    uiConfig: { validatorUrl: null, docExpansion: 'list', tryItOutEnabled: true },
  })
  let document: string | undefined
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => {
    document ??= JSON.stringify(app.swagger())
    return reply.type('application/json; charset=utf-8').send(document)
  })
  app.get('/redoc', { schema: { hide: true } }, async (_request, reply) => reply.redirect('/docs'))
}

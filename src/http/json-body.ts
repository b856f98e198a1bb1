/** Reads bodies: JSON in UTF-8 and nothing else. */
import { isUtf8 } from 'node:buffer'
import type { FastifyInstance } from 'fastify'
import type { SandboxError } from '../errors.ts'
import { validationFailed } from './validation-error.ts'

/** `\ud800` to `\udfff`: the only way half a character gets into JSON text that is UTF-8. */
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/

/**
 * Replaces Fastify's parsers. text/plain is refused: browsers send it across origins without asking. An empty body is
 * no body. What JSON can't say (`__proto__` members, half characters) is refused instead of changed.
 */
export function parseJsonBodies(app: FastifyInstance): void {
  const parseSafely = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, raw: Buffer, done) => {
    if (raw.length === 0) return done(null, undefined)
    if (!isUtf8(raw)) return done(malformed('the body is not UTF-8'))
    const text = raw.toString('utf8')
    parseSafely(request, text, (error, body) => {
      if (error) return done(malformed('the body is not valid JSON'))
      if (SURROGATE_ESCAPE.test(text) && !isWellFormed(text))
        return done(malformed('the body has half a surrogate pair'))
      done(null, body)
    })
  })
}

function malformed(msg: string): SandboxError {
  return validationFailed([{ loc: ['body'], msg, type: 'value_error.jsondecode' }])
}

function isWellFormed(json: string): boolean {
  let wellFormed = true
  JSON.parse(json, (key, value) => {
    if (!key.isWellFormed() || (typeof value === 'string' && !value.isWellFormed())) wellFormed = false
    return value
  })
  return wellFormed
}

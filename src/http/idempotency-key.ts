import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** The header of the request with what its body says, whatever the order of its members; undefined without one. */
export function idempotencyOf(
  headers: IncomingHttpHeaders,
  body: unknown,
): { key: string; fingerprint: string } | undefined {
  const key = headers['idempotency-key']
  if (typeof key !== 'string') return undefined
  return {
    key,
    fingerprint: createHash('sha256')
      .update(JSON.stringify(sorted(body ?? {})))
      .digest('hex'),
  }
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sorted)
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  // Pairs: an object would put names that are numbers first, and lose `__proto__`.
  return members.map(([name, member]) => [name, sorted(member)])
}

/** Conditions, ranges and digests of HTTP (RFC 9110 sections 13 and 14, RFC 9530), as headers say them. */
import type { IncomingHttpHeaders } from 'node:http'
import { SandboxError } from '../errors.ts'

/** An entity tag as headers write it. */
export const quoted = (etag: string): string => `"${etag}"`

const STRONG = /^"([\x21\x23-\x7e]*)"$/

/** If-Match and If-None-Match of a change: `*`, or one strong tag without its quotes. INVALID_REQUEST for what can't be checked at once. */
export function conditionOf(headers: IncomingHttpHeaders): { ifMatch?: string; ifNoneMatch?: string } {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers
  return {
    ...(match !== undefined && { ifMatch: oneTag('If-Match', match) }),
    ...(noneMatch !== undefined && { ifNoneMatch: oneTag('If-None-Match', noneMatch) }),
  }
}

function oneTag(header: string, value: string): string {
  const text = value.trim()
  const tag = text === '*' ? '*' : STRONG.exec(text)?.[1]
  if (tag === undefined)
    throw new SandboxError(
      'INVALID_REQUEST',
      `${header} must be * or one ETag in quotes, as a read of the file gives it`,
    )
  return tag
}

/** Whether a list of tags names this one (weak comparison: reads only). */
export function namesTag(list: string, etag: string | null): boolean {
  if (list.trim() === '*') return true
  return etag !== null && list.split(',').some((tag) => tag.trim().replace(/^W\//, '') === quoted(etag))
}

/** One range of bytes; undefined where there is none, or one that may be passed over (several, another unit: RFC 9110, 14.2). */
export function rangeOf(headers: IncomingHttpHeaders) {
  const [, first = '', last = ''] = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/.exec(headers.range ?? '') ?? []
  if (first === '') return last === '' ? undefined : { last: Number(last) }
  const start = Number(first)
  if (last === '') return { start }
  return Number(last) < start ? undefined : { start, end: Number(last) }
}

const ALGORITHMS = { 'sha-256': 'sha256', 'sha-512': 'sha512' } as const
type Algorithm = (typeof ALGORITHMS)[keyof typeof ALGORITHMS]

/** Repr-Digest or Content-Digest of a request; undefined where it has neither. INVALID_REQUEST for one of no known form. */
export function digestOf(headers: IncomingHttpHeaders): { algorithm: Algorithm; bytes: Buffer } | undefined {
  const header = headers['repr-digest'] ?? headers['content-digest']
  if (header === undefined) return undefined
  const [, name = '', base64 = ''] = /(?:^|,)\s*(sha-256|sha-512)=:([A-Za-z0-9+/]+={0,2}):/.exec(String(header)) ?? []
  const algorithm = ALGORITHMS[name as keyof typeof ALGORITHMS]
  const bytes = Buffer.from(base64, 'base64')
  if (algorithm === undefined || bytes.length !== (algorithm === 'sha256' ? 32 : 64))
    throw new SandboxError('INVALID_REQUEST', 'a digest must be sha-256=:<base64>: or sha-512=:<base64>: (RFC 9530)')
  return { algorithm, bytes }
}

/** Which digest the client wants to have (Want-Repr-Digest), null for none or none that we have. */
export function wantedDigest(headers: IncomingHttpHeaders): { name: string; algorithm: Algorithm } | null {
  const wanted = String(headers['want-repr-digest'] ?? '')
  for (const name of ['sha-256', 'sha-512'] as const) {
    if (new RegExp(`(^|,)\\s*${name}(=[1-9]|\\s*(,|$))`).test(wanted)) return { name, algorithm: ALGORITHMS[name] }
  }
  return null
}

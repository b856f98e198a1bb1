/** Signatures as Standard Webhooks 1.0 has them (https://www.standardwebhooks.com). */
import { createHmac, randomBytes } from 'node:crypto'
import type { Message, Secret } from './webhook.ts'

const PREFIX = 'whsec_'
const SECRET_BYTES = 32

export function newSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64')
}

/** Those of one try: `now` is in the signature, so that a receiver can refuse what is old. */
export function signedHeaders({ id, body }: Message, secrets: Secret[], now: number): Record<string, string> {
  const timestamp = Math.floor(now / 1000)
  const valid = secrets.filter(({ until }) => until === null || until > now)
  const signatures = valid.map(({ value }) => sign(value, `${id}.${timestamp}.${body}`))
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.reverse().join(' '),
  }
}

function sign(secret: string, content: string): string {
  const key = Buffer.from(secret.slice(PREFIX.length), 'base64')
  return `v1,${createHmac('sha256', key).update(content).digest('base64')}`
}

import { lookup } from 'node:dns/promises'
import { connect, isIP, type Socket } from 'node:net'
import { withDeadline } from '../../lib/deadline.ts'
import { KeyedLock } from '../../lib/keyed-lock.ts'
import { isPublic } from '../../lib/public-address.ts'
import { EgressRefused } from './decision.ts'
import { type EgressRule, type EgressTarget, namesAddress, ruleOfName } from './rules.ts'

const LOOKUP_MS = 10_000
const CONNECT_MS = 10_000
const MOST_ADDRESSES = 4
/** A lookup takes a thread of four that files need as well, and slow names may be an attack. */
const LOOKUPS_AT_ONCE = 2

const lookups = new KeyedLock()
let count = 0

/**
 * A connection to where the list lets it go. The name is resolved here, once, and the very address that was checked is dialled:
 * a name that answers differently the next time gains nothing. Names that no rule has are not even looked up. Throws
 * EgressRefused.
 */
export async function dialAllowed(
  rules: readonly EgressRule[],
  target: EgressTarget,
  signal: AbortSignal,
): Promise<Socket> {
  const addresses = await allowedAddresses(rules, target, signal)
  let last: unknown = null
  for (const address of addresses.slice(0, MOST_ADDRESSES)) {
    try {
      return await dial(address, target.port, signal)
    } catch (error) {
      signal.throwIfAborted()
      last = error
    }
  }
  const { code } = last as NodeJS.ErrnoException
  throw new EgressRefused(`could not be reached${code ? ` (${code})` : ''}`, true)
}

async function allowedAddresses(
  rules: readonly EgressRule[],
  target: EgressTarget,
  signal: AbortSignal,
): Promise<string[]> {
  const { host, port } = target
  if (isIP(host) !== 0) {
    if (namesAddress(rules, host, port)) return [host]
    throw new EgressRefused('no cidr of the list has this address and port')
  }
  if (ruleOfName(rules, target) === null) throw new EgressRefused('no host of the list has this name and port')
  const found = await resolve(host, signal)
  const allowed = found.filter((address) => isPublic(address) || namesAddress(rules, address, port))
  if (allowed.length === 0)
    throw new EgressRefused('the name leads to a private address, which no cidr of the list has')
  return allowed
}

async function resolve(host: string, signal: AbortSignal): Promise<string[]> {
  const late = () => new EgressRefused('the name was not resolved in time', true)
  try {
    const found = await withDeadline(LOOKUP_MS, late, signal, () =>
      lookups.run(String(count++ % LOOKUPS_AT_ONCE), () => lookup(host, { all: true }), { signal }),
    )
    return found.map(({ address }) => address)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof EgressRefused) throw error
    throw new EgressRefused(`the name can't be resolved (${(error as NodeJS.ErrnoException).code ?? 'error'})`, true)
  }
}

/** Resolves when it is connected. */
export function dial(address: string, port: number, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const socket = connect({ host: address, port, noDelay: true, allowHalfOpen: true, signal })
  const timer = setTimeout(() => socket.destroy(Object.assign(new Error('late'), { code: 'ETIMEDOUT' })), CONNECT_MS)
  socket.once('connect', () => resolve(socket))
  // Stays, so that no later error is without a listener.
  socket.on('error', reject)
  return promise.finally(() => clearTimeout(timer))
}

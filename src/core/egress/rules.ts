import { BlockList, isIP } from 'node:net'
import { SandboxError } from '../../errors.ts'

/** One entry of an allow-list: names or addresses, never both. */
export interface EgressRule {
  /** `api.example.com`, `*.example.com` (every name below it), `*` (every name). Lower case. */
  host: string | null
  /** `10.1.0.0/16`, `2001:db8::/32`; also what names may resolve to though it is private. */
  cidr: string | null
  ports: number[]
  /** Set on requests that the server sees: plain HTTP to the proxy. */
  headers: Record<string, string>
  /** Plain HTTP requests go on over TLS. */
  tls: boolean
}

export interface EgressTarget {
  /** Lower case, or an address without brackets. */
  host: string
  port: number
}

const NAME = /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/

/** The name or address of a request, as rules know it: lower case, no brackets, no dot at its end. null: it is neither. */
export function hostOf(text: string): string | null {
  const host = text
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
  if (isIP(host) !== 0) return host
  // What looks like an address in another spelling (0x7f.1, 2130706433) is one to a resolver.
  return NAME.test(host) && !/^(?:0x[0-9a-f]*|\d+)$/.test(host.split('.').at(-1) ?? '') ? host : null
}

/** Headers that belong to the connection and not to the caller. */
const NOT_OURS = /^(?:host|connection|content-length|transfer-encoding|upgrade|te|trailer|keep-alive|expect|proxy-.*)$/i

/** Throws VALIDATION_FAILED for what no rule can be. `at`: where the list is in the request. */
export function checkRules(rules: EgressRule[], at: string[]): void {
  for (const [index, { host, cidr, headers, tls }] of rules.entries()) {
    const fault = (member: string, msg: string) => {
      const errors = [{ loc: [...at, index, member], msg, type: 'value_error' }]
      return new SandboxError('VALIDATION_FAILED', msg, { details: { errors } })
    }
    if ((host === null) === (cidr === null)) throw fault('host', 'give either host or cidr')
    if (cidr !== null && blockOf(cidr) === null)
      throw fault('cidr', `${cidr} is no network in CIDR notation, as 10.1.0.0/16`)
    if (cidr !== null && (tls || Object.keys(headers).length > 0)) throw fault('cidr', 'headers and tls need a host')
    const wrong = Object.keys(headers).find((header) => NOT_OURS.test(header))
    if (wrong !== undefined) throw fault('headers', `${wrong} can't be set: it belongs to the connection`)
    const name = host === '*' ? null : (host?.replace(/^\*\./, '') ?? null)
    if (name !== null && (hostOf(name) === null || isIP(name) !== 0))
      throw fault('host', `${host} is no host name, *.name or *; addresses go into cidr`)
  }
}

/** The first rule whose name and port it is; null: none. */
export function ruleOfName(rules: readonly EgressRule[], { host, port }: EgressTarget): EgressRule | null {
  const matches = (pattern: string) =>
    pattern === '*' || pattern === host || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1)))
  return rules.find((rule) => rule.host !== null && rule.ports.includes(port) && matches(rule.host)) ?? null
}

/** Whether a network of the list holds the address, at this port. */
export function namesAddress(rules: readonly EgressRule[], address: string, port: number): boolean {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  return rules.some(({ cidr, ports }) => cidr !== null && ports.includes(port) && blockOf(cidr)?.check(address, family))
}

function blockOf(cidr: string): BlockList | null {
  const [address = '', bits, more] = cidr.split('/')
  const family = isIP(address)
  if (family === 0 || more !== undefined || !/^\d{1,3}$/.test(bits ?? '')) return null
  if (Number(bits) > (family === 6 ? 128 : 32)) return null
  const block = new BlockList()
  block.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4')
  return block
}

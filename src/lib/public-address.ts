import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { isIn, networksOf } from './networks.ts'

/** What is not the public internet: RFC 6890 and its registry, and the address at which one cloud answers its guests. */
const SPECIAL4 = networksOf([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '168.63.129.16',
])
/** Of IPv6 only global unicast is public, and in it not what holds an IPv4 address (6to4, Teredo, NAT64 is outside of it). */
const PUBLIC6 = networksOf(['2000::/3'])
const SPECIAL6 = networksOf(['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'])

/** Whether an address is one of the public internet, and neither this host nor in a network that it is in. */
export function isPublic(address: string): boolean {
  const family = isIP(address)
  if (family === 0) return false
  if (family === 6 && (!isIn(PUBLIC6, address) || isIn(SPECIAL6, address))) return false
  return !(family === 4 && isIn(SPECIAL4, address)) && !isIn(networksOf(nearby()), address)
}

/** Networks change while the server runs; to look takes microseconds. */
function nearby(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? [])
  return all.flatMap(({ cidr }) => (cidr === null || cidr.endsWith('/0') ? [] : [cidr]))
}

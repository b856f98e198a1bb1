import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { isIn, networksOf } from '../lib/networks.ts'

/** What is not the public internet, of the registries of special addresses (RFC 6890 and what came after). */
const NOT_PUBLIC_4 = networksOf([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
])
/** All that is given out. Addresses that hold one of version 4 (mapped, NAT64) are outside of it. */
const PUBLIC_6 = networksOf(['2000::/3'])
/** Of these: protocols and tunnels (Teredo, ORCHID, 6to4), documentation. */
const NOT_PUBLIC_6 = networksOf(['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20'])

/** On the public internet, and not one of this machine. */
export function isPublic(address: string): boolean {
  const version = isIP(address)
  if (version === 0) return false
  if (version === 4 ? isIn(NOT_PUBLIC_4, address) : !isIn(PUBLIC_6, address) || isIn(NOT_PUBLIC_6, address))
    return false
  return !Object.values(networkInterfaces()).some((own) => own?.some((one) => one.address === address))
}

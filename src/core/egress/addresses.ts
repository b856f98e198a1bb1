import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

/** What is not the public internet: RFC 6890 and its registry, and the address at which one cloud answers its guests. */
const SPECIAL4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '168.63.129.16/32',
]
/** Of IPv6 only global unicast is public, and in it not what holds an IPv4 address (6to4, Teredo, NAT64 is outside of it). */
const PUBLIC6 = '2000::/3'
const SPECIAL6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

const special = new BlockList()
for (const one of SPECIAL4) add(special, one, 'ipv4')
for (const one of SPECIAL6) add(special, one, 'ipv6')
const global6 = new BlockList()
add(global6, PUBLIC6, 'ipv6')

/** Whether an address is one of the public internet, and neither this host nor in a network that it is in. */
export function isPublic(address: string): boolean {
  const family = isIP(address)
  if (family === 0) return false
  if (family === 4) return !special.check(address, 'ipv4') && !nearby().check(address, 'ipv4')
  return global6.check(address, 'ipv6') && !special.check(address, 'ipv6') && !nearby().check(address, 'ipv6')
}

/** Networks change while the server runs; to look takes microseconds. */
function nearby(): BlockList {
  const block = new BlockList()
  for (const all of Object.values(networkInterfaces())) {
    for (const { cidr, family } of all ?? []) if (cidr !== null) add(block, cidr, family === 'IPv6' ? 'ipv6' : 'ipv4')
  }
  return block
}

function add(block: BlockList, cidr: string, family: 'ipv4' | 'ipv6'): void {
  const [address = '', bits = ''] = cidr.split('/')
  if (Number(bits) > 0) block.addSubnet(address, Number(bits), family)
}

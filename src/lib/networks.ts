import { BlockList, isIP } from 'node:net'

/** Networks as `10.0.0.0/8`, `fd00::/8`, or single addresses. Throws a RangeError that names what is none. */
export function networksOf(texts: readonly string[]): BlockList {
  const list = new BlockList()
  for (const text of texts) {
    const [address = '', prefix, more] = text.split('/')
    const version = isIP(address)
    const most = version === 6 ? 128 : 32
    const bits = prefix === undefined ? most : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
    if (version === 0 || more !== undefined || !(bits <= most)) {
      throw new RangeError(`"${text}" is no network; write it as 10.0.0.0/8 or fd00::/8`)
    }
    list.addSubnet(address, bits, version === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}

export function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

import { networkInterfaces } from 'node:os'
import { expect, test } from 'vitest'
import { isIn, networksOf } from '../../../src/lib/networks.ts'
import { isPublic } from '../../../src/lib/public-address.ts'

test.each(['93.184.216.34', '1.1.1.1', '172.15.0.1', '172.32.0.1', '2606:2800:220:1::1', '2a00:1450:4001::1'])(
  '%s is public',
  (address) => expect(isPublic(address)).toBe(true),
)

test.each([
  '0.0.0.0',
  '10.255.0.1',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '168.63.129.16',
  '::',
  '::1',
  '::ffff:1.1.1.1',
  '::7f00:1',
  '64:ff9b::1.1.1.1',
  'fc00::1',
  'fe80::1',
  'fec0::1',
  'ff02::1',
  '2001:0:1::1',
  '2001:db8::1',
  '2002:7f00:1::',
  'example.com',
  '',
])('%s is not', (address) => expect(isPublic(address)).toBe(false))

test('this machine is not, whatever its addresses are', () => {
  const own = Object.values(networkInterfaces()).flatMap((one) => one?.map(({ address }) => address) ?? [])
  expect(own.filter(isPublic)).toEqual([])
})

test('networks and single addresses of both versions; what is none is named', () => {
  const list = networksOf(['10.1.0.0/16', '192.0.2.7', 'fd00::/8'])
  const inside = ['10.1.2.3', '10.2.0.0', '192.0.2.7', '192.0.2.8', 'fd12::1', 'fe00::1'].map((one) => isIn(list, one))
  expect(inside).toEqual([true, false, true, false, true, false])
  for (const wrong of ['10.0.0.0/33', '10.0.0/8', 'fd00::/129', '10.0.0.0/8/8', '10.0.0.0/', 'host', '/8']) {
    expect(() => networksOf([wrong])).toThrow(`"${wrong}" is no network`)
  }
})

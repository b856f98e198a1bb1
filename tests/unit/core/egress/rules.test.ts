import { expect, test } from 'vitest'
import { type EgressRule, hostOf, namesAddress, ruleOfName } from '../../../../src/core/egress/rules.ts'
import { plainTarget } from '../../../../src/core/egress/upstream.ts'
import { isPublic } from '../../../../src/lib/public-address.ts'

const rule = (change: Partial<EgressRule>): EgressRule => ({
  host: null,
  cidr: null,
  ports: [80, 443],
  headers: {},
  tls: false,
  ...change,
})

test.each([
  ['Example.COM.', 'example.com'],
  ['[2001:db8::1]', '2001:db8::1'],
  ['10.0.0.1', '10.0.0.1'],
  ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ['_dmarc.example.com', '_dmarc.example.com'],
  // Other spellings of addresses, which resolvers understand.
  ['2130706433', null],
  ['0x7f.1', null],
  ['127.1', null],
  ['10.0.0.0x1', null],
  ['0177.0.0.1', null],
  ['a b', null],
  ['a\0.example', null],
  ['', null],
  ['-a.example', null],
  ['a..example', null],
  [`${'a'.repeat(64)}.example`, null],
  [`${'a.'.repeat(127)}example`, null],
])('the host %j is read as %j', (text, host) => {
  expect(hostOf(text)).toBe(host)
})

test.each([
  ['api.example.com', 443, 'exact'],
  ['api.example.com', 8443, null],
  ['a.wild.example', 80, 'below'],
  ['a.b.wild.example', 80, 'below'],
  ['wild.example', 80, null],
  ['evilwild.example', 80, null],
  ['api.example.com.evil.example', 443, null],
  ['api.example.como', 443, null],
])('%s at %d is allowed by the rule %s', (host, port, expected) => {
  const rules = [
    rule({ host: 'api.example.com', ports: [443], headers: { which: 'exact' } }),
    rule({ host: '*.wild.example', headers: { which: 'below' } }),
  ]
  expect(ruleOfName(rules, { host, port })?.headers.which ?? null).toBe(expected)
})

test('addresses are those of the networks of the list, at their ports', () => {
  const rules = [rule({ cidr: '10.1.0.0/16', ports: [5432] }), rule({ cidr: '2001:db8::/32' }), rule({ host: '*' })]
  expect(namesAddress(rules, '10.1.255.1', 5432)).toBe(true)
  expect(namesAddress(rules, '10.1.255.1', 80)).toBe(false)
  expect(namesAddress(rules, '10.2.0.1', 5432)).toBe(false)
  expect(namesAddress(rules, '2001:db8::1', 443)).toBe(true)
  expect(namesAddress(rules, '::ffff:8.8.8.8', 443)).toBe(false)
})

test.each([
  ['8.8.8.8', true],
  ['2606:4700::1111', true],
  ['10.0.0.1', false],
  ['127.0.0.1', false],
  ['169.254.169.254', false],
  ['100.64.0.1', false],
  ['168.63.129.16', false],
  ['0.0.0.0', false],
  ['255.255.255.255', false],
  ['::1', false],
  ['::', false],
  ['::ffff:8.8.8.8', false],
  ['::ffff:127.0.0.1', false],
  ['64:ff9b::a00:1', false],
  ['2002:a00:1::', false],
  ['2001::1', false],
  ['fd00:ec2::254', false],
  ['fe80::1', false],
  ['ff02::1', false],
  ['nonsense', false],
])('%s is public: %s', (address, expected) => {
  expect(isPublic(address)).toBe(expected)
})

test('plain requests of a rule with tls go to port 443, others where they say', () => {
  const rules = [rule({ host: 'api.example.com', tls: true })]
  const of = (url: string) => plainTarget(rules, url)
  expect(of('http://api.example.com/a?b')).toMatchObject({
    port: 443,
    tls: true,
    path: '/a?b',
    authority: 'api.example.com',
  })
  expect(of('http://other.example/')).toMatchObject({ port: 80, tls: false, authority: 'other.example' })
  expect(of('https://other.example:8443/')).toMatchObject({ port: 8443, tls: true, authority: 'other.example:8443' })
  for (const url of ['/', '*', 'ftp://a.example/', 'http://', 'http://a b/', undefined, 'http://%00/'])
    expect(of(url ?? '')).toBeNull()
})

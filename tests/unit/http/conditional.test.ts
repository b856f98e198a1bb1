import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { conditionOf, digestOf, namesTag, rangeOf, wantedDigest } from '../../../src/http/conditional.ts'

test.each([
  ['bytes=0-0', { start: 0, end: 0 }],
  ['bytes=5-', { start: 5 }],
  ['bytes=-5', { last: 5 }],
  ['bytes= 1-2 ', { start: 1, end: 2 }],
  ['bytes=2-1', undefined],
  ['bytes=-', undefined],
  ['bytes=0-1,2-3', undefined],
  ['items=0-1', undefined],
  [`bytes=${'9'.repeat(16)}-`, undefined],
])('the range %s', (range, expected) => {
  expect(rangeOf({ range })).toEqual(expected)
})

test('conditions of a change are one strong tag, or any', () => {
  expect(conditionOf({})).toEqual({})
  expect(conditionOf({ 'if-match': '"a-1"', 'if-none-match': '*' })).toEqual({ ifMatch: 'a-1', ifNoneMatch: '*' })
  for (const tag of ['a', 'W/"a"', '"a", "b"', '"a', ''])
    expect(() => conditionOf({ 'if-match': tag }), tag).toThrow(/one ETag in quotes/)
})

test('a read compares weakly, with any of a list', () => {
  expect(namesTag('"a", W/"b"', 'b')).toBe(true)
  expect(namesTag('*', null)).toBe(true)
  expect(namesTag('"a"', 'b')).toBe(false)
  expect(namesTag('"a"', null)).toBe(false)
})

test('digests: the first that is known, and nothing that is not of its length', () => {
  const bytes = createHash('sha256').update('x').digest()
  const header = `sha-256=:${bytes.toString('base64')}:`
  expect(digestOf({ 'repr-digest': header })).toEqual({ algorithm: 'sha256', bytes })
  expect(digestOf({ 'content-digest': `md5=:AAAA:, ${header}` })).toEqual({ algorithm: 'sha256', bytes })
  expect(digestOf({})).toBeUndefined()
  for (const wrong of ['sha-256=:AAAA:', 'md5=:AAAA:', 'sha-256=abc', header.replace('256', '512')])
    expect(() => digestOf({ 'repr-digest': wrong }), wrong).toThrow(/RFC 9530/)
})

test('a digest is given where one that we have is wanted', () => {
  const wanted = (value: string) => wantedDigest({ 'want-repr-digest': value })?.name
  expect(wanted('sha-256=10')).toBe('sha-256')
  expect(wanted('unixsum=9, sha-512=3')).toBe('sha-512')
  expect(wanted('sha-256=0')).toBeUndefined()
  expect(wanted('md5=1')).toBeUndefined()
})

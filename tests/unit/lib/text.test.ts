import { expect, test } from 'vitest'
import { decodeExactly, decodeText, incompleteTail, TextChunks } from '../../../src/lib/text.ts'

const text = 'aé€😀\ufeffz\r\n'

test('a text that is cut at any byte comes out whole', () => {
  const bytes = Buffer.from(text)
  for (let one = 0; one <= bytes.length; one++) {
    for (let two = one; two <= bytes.length; two++) {
      const chunks = new TextChunks()
      const parts = [bytes.subarray(0, one), bytes.subarray(one, two), bytes.subarray(two)]
      expect(parts.map((part) => chunks.write(part)).join('') + chunks.end()).toBe(text)
    }
  }
})

test('random bytes in random pieces give the same text as in one piece', () => {
  for (let round = 0; round < 300; round++) {
    const bytes = Buffer.from(crypto.getRandomValues(new Uint8Array(Math.floor(Math.random() * 200))))
    const chunks = new TextChunks()
    let out = ''
    for (let at = 0; at < bytes.length; ) {
      const end = at + 1 + Math.floor(Math.random() * 7)
      out += chunks.write(bytes.subarray(at, end))
      at = end
    }
    expect(out + chunks.end()).toBe(decodeText(bytes))
  }
})

test('a character that is cut off at the end becomes a replacement character', () => {
  const chunks = new TextChunks()
  expect(chunks.write(Buffer.from([0x61, 0xf0, 0x9f]))).toBe('a')
  expect(chunks.end()).toBe('\ufffd')
})

test('a byte order mark is kept', () => {
  expect(decodeText(Buffer.from('\ufeffx'))).toBe('\ufeffx')
  expect(decodeExactly(Buffer.from('\ufeffx'))).toBe('\ufeffx')
})

test('exact decoding refuses what is not UTF-8', () => {
  expect(decodeExactly(Buffer.from(text))).toBe(text)
  expect(decodeExactly(Buffer.from([0xff]))).toBeNull()
  expect(decodeExactly(Buffer.from([0xed, 0xa0, 0x80]))).toBeNull()
})

test.each([
  ['', 0],
  ['61', 0],
  ['c3a4', 0],
  ['c3', 1],
  ['61e7', 1],
  ['e795', 2],
  ['e7958c', 0],
  ['f09f98', 3],
  ['f09f9880', 0],
  ['ff', 0],
  ['80', 0],
])('%s ends with %i bytes of a character that is not complete', (hex, expected) => {
  expect(incompleteTail(Buffer.from(hex, 'hex'))).toBe(expected)
})

test('chunks say how many bytes wait for the rest of their character, however they are cut', () => {
  const chunks = new TextChunks()
  const seen = [...Buffer.from('a😀b')].map((byte) => [chunks.write(Buffer.of(byte)), chunks.pendingBytes])
  expect(seen).toEqual([
    ['a', 0],
    ['', 1],
    ['', 2],
    ['', 3],
    ['😀', 0],
    ['b', 0],
  ])
})

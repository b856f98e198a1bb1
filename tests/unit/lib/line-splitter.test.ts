import { expect, test } from 'vitest'
import { LineSplitter } from '../../../src/lib/line-splitter.ts'

const LIMIT = 64 * 1024

/** All lines of these chunks; the time of a chunk is its index. */
function split(chunks: Uint8Array[]) {
  const splitter = new LineSplitter()
  return [...chunks.flatMap((chunk, index) => splitter.write(chunk, index)), ...splitter.end()]
}

function cut(bytes: Buffer, mostBytes: number): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; at += chunks.at(-1)?.length ?? 0) {
    chunks.push(bytes.subarray(at, at + 1 + Math.floor(Math.random() * mostBytes)))
  }
  return chunks
}

test('lines keep their ends, and the last may have none', () => {
  expect(split([Buffer.from('a\nb\r\n\nc\rd')])).toEqual(
    ['a\n', 'b\r\n', '\n', 'c\rd'].map((line) => ({ line, timestampMs: 0 })),
  )
})

test('a line has the time of its first byte', () => {
  expect(split(['a', 'b\nc', '\n', 'd'].map((text) => Buffer.from(text)))).toEqual([
    { line: 'ab\n', timestampMs: 0 },
    { line: 'c\n', timestampMs: 1 },
    { line: 'd', timestampMs: 3 },
  ])
})

test('nothing gives no line', () => {
  expect(split([])).toEqual([])
  expect(split([Buffer.from('a\n')])).toHaveLength(1)
})

test('any text in any pieces gives its lines', () => {
  const words = ['a', 'é', '€', '😀', '\n', '\n', '\r\n', 'long '.repeat(50)]
  for (let round = 0; round < 300; round++) {
    const text = Array.from({ length: 60 }, () => words[Math.floor(Math.random() * words.length)]).join('')
    const lines = split(cut(Buffer.from(text), 40)).map(({ line }) => line)
    expect(lines).toEqual(text.match(/[^\n]*\n|[^\n]+$/g) ?? [])
  }
})

test('a longer line than 64 KiB comes in pieces, not cut inside a character', () => {
  for (const mostBytes of [100_000, 5000]) {
    const text = `x${'😀'.repeat(50_000)}\nend`
    const lines = split(cut(Buffer.from(text), mostBytes)).map(({ line }) => line)
    expect(lines.join('')).toBe(text)
    expect(lines.length).toBe(5)
    for (const line of lines) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(LIMIT)
  }
})

test('bytes that are no text are split too', () => {
  const lines = split([Buffer.alloc(3 * LIMIT, 0x80)])
  expect(lines).toHaveLength(3)
})

test('a line of exactly the limit stays one line', () => {
  const text = `${'x'.repeat(LIMIT - 1)}\n`
  expect(split([Buffer.from(`${text}y`)]).map(({ line }) => line)).toEqual([text, 'y'])
})

import { expect, test } from 'vitest'
import { OutputBuffer } from '../../../src/lib/output-buffer.ts'

const random = (limit: number) => Math.floor(Math.random() * limit)

/** What an OutputBuffer of this limit must give for these bytes. */
function expected(all: Buffer, limitBytes: number): Buffer {
  if (all.length <= limitBytes) return all
  const head = Math.ceil(limitBytes / 2)
  const tail = limitBytes - head
  const marker = Buffer.from(`\n[... ${all.length - limitBytes} bytes left out ...]\n`)
  return Buffer.concat([all.subarray(0, head), marker, all.subarray(all.length - tail)])
}

test('what fits is kept as it is', () => {
  const buffer = new OutputBuffer({ limitBytes: 10 })
  buffer.write(Buffer.from('01234'))
  buffer.write(Buffer.from('56789'))
  expect(buffer.bytes().toString()).toBe('0123456789')
  expect(buffer.truncated).toBe(false)
})

test('one byte too many leaves the middle out and says so', () => {
  const buffer = new OutputBuffer({ limitBytes: 10 })
  buffer.write(Buffer.from('0123456789x'))
  expect(buffer.bytes().toString()).toBe('01234\n[... 1 bytes left out ...]\n6789x')
  expect(buffer.truncated).toBe(true)
  expect(buffer.totalBytes).toBe(11)
})

test('where bytes must be exact, nothing is put in their place', () => {
  const buffer = new OutputBuffer({ limitBytes: 10 })
  buffer.write(Buffer.from('0123456789x'))
  expect(buffer.bytes({ mark: false }).toString()).toBe('012346789x')
})

test('a limit of 0 keeps nothing but the count', () => {
  const buffer = new OutputBuffer({ limitBytes: 0 })
  buffer.write(Buffer.from('abc'))
  expect(buffer.bytes().toString()).toBe('\n[... 3 bytes left out ...]\n')
})

test('any pieces in any order of sizes give head and tail', () => {
  for (let round = 0; round < 500; round++) {
    const limitBytes = random(60_000)
    const buffer = new OutputBuffer({ limitBytes })
    const pieces = Array.from({ length: random(30) }, () =>
      Buffer.from(crypto.getRandomValues(new Uint8Array(random(2) ? random(9000) : random(20)))),
    )
    for (const piece of pieces) buffer.write(piece)
    const all = Buffer.concat(pieces)
    expect(buffer.bytes().equals(expected(all, limitBytes)), `${all.length} bytes, limit ${limitBytes}`).toBe(true)
    expect(buffer.truncated).toBe(all.length > limitBytes)
  }
})

test('what is written can be changed afterwards', () => {
  const buffer = new OutputBuffer({ limitBytes: 10 })
  const piece = Buffer.from('abc')
  buffer.write(piece)
  piece.fill(0)
  expect(buffer.bytes().toString()).toBe('abc')
})

test('memory stays bounded under a long stream of single bytes and large pieces', () => {
  const buffer = new OutputBuffer({ limitBytes: 1 << 20 })
  const before = process.memoryUsage().arrayBuffers
  const one = Buffer.from('x')
  for (let index = 0; index < 2_000_000; index++) buffer.write(one)
  const piece = Buffer.alloc(1 << 20)
  for (let index = 0; index < 200; index++) buffer.write(piece)
  expect(buffer.totalBytes).toBe(2_000_000 + 200 * (1 << 20))
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 << 20)
})

import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { readJsonLines } from '../../../../src/engine/docker/json-lines.ts'

async function read(chunks: Buffer[]): Promise<unknown[]> {
  return Array.fromAsync(readJsonLines(Readable.from(chunks)))
}

test('objects are read whole when chunks cut lines and characters', async () => {
  const bytes = Buffer.from('{"a":"ü€"}\n\n{"b":2}\r\n{"c":3}')
  const single = Array.from(bytes, (byte) => Buffer.from([byte]))
  expect(await read(single)).toEqual([{ a: 'ü€' }, { b: 2 }, { c: 3 }])
  expect(await read([bytes])).toEqual([{ a: 'ü€' }, { b: 2 }, { c: 3 }])
})

test('lines that are no objects, or without an end for megabytes, are left out and the rest is read', async () => {
  const huge = Array.from({ length: 40 }, () => Buffer.alloc(65_536, 'x'))
  expect(await read([Buffer.from('nonsense\n[1]\n1\n{"a":1}\n'), ...huge, Buffer.from('\n{"b":2}\n')])).toEqual([
    { a: 1 },
    { b: 2 },
  ])
})

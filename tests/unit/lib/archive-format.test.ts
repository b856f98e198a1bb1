import { Readable } from 'node:stream'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { compress, decompress, detectFormat } from '../../../src/lib/archive-format.ts'

const TAR = Buffer.from('as if it were a tar '.repeat(10_000))
const errors = { broken: () => new Error('broken'), bomb: () => new Error('bomb') }
const bytes = async (stream: Readable) => Buffer.concat(await Array.fromAsync(stream as AsyncIterable<Buffer>))
const inPieces = (buffer: Buffer) =>
  Readable.from(
    Array.from({ length: Math.ceil(buffer.length / 7) }, (_, index) => buffer.subarray(index * 7, index * 7 + 7)),
  )

test.each([
  ['tar', TAR],
  ['tar.gz', gzipSync(TAR)],
  ['tar.zst', zstdCompressSync(TAR)],
] as const)('%s is known by its first bytes, which stay in it', async (format, archive) => {
  const source = inPieces(archive)
  const found = await detectFormat(source)
  expect(found.format).toBe(format)
  expect((await bytes(decompress(found.archive, format, errors))).equals(TAR)).toBe(true)
})

test('nothing at all is a tar', async () => {
  for (const few of [[], ['x'], ['x', 'yz']]) {
    const { format, archive } = await detectFormat(Readable.from(few.map((text) => Buffer.from(text))))
    expect([format, (await bytes(archive)).toString()]).toEqual(['tar', few.join('')])
  }
  // However its first bytes come.
  const gz = gzipSync(TAR)
  const { format, archive } = await detectFormat(Readable.from([gz.subarray(0, 1), gz.subarray(1, 2), gz.subarray(2)]))
  expect(format).toBe('tar.gz')
  expect((await bytes(decompress(archive, format, errors))).equals(TAR)).toBe(true)
})

test.each(['tar', 'tar.gz', 'tar.zst'] as const)('what is compressed as %s is decompressed again', async (format) => {
  expect((await bytes(decompress(compress(inPieces(TAR), format), format, errors))).equals(TAR)).toBe(true)
})

test('what is cut or garbage fails as broken, what grows too much as a bomb', async () => {
  const cut = gzipSync(Buffer.from(Array.from(TAR, (byte, index) => byte ^ (index * 31))))
  await expect(bytes(decompress(Readable.from([cut.subarray(0, -9)]), 'tar.gz', errors))).rejects.toThrow('broken')
  await expect(bytes(decompress(Readable.from([TAR]), 'tar.zst', errors))).rejects.toThrow('broken')
  const frames = Buffer.concat([zstdCompressSync(TAR), zstdCompressSync(TAR)])
  await expect(bytes(decompress(Readable.from([frames]), 'tar.zst', errors))).rejects.toThrow('broken')
  const bomb = gzipSync(Buffer.alloc(80 * 1024 * 1024), { level: 9 })
  await expect(bytes(decompress(Readable.from([bomb]), 'tar.gz', errors))).rejects.toThrow('bomb')
})

test('a reader of an archive that leaves ends the tar', async () => {
  const tar = new Readable({ read() {} })
  const archive = compress(tar, 'tar.gz')
  archive.destroy()
  await new Promise((resolve) => tar.once('close', resolve))
  expect(tar.destroyed).toBe(true)
})

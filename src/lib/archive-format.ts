import { once } from 'node:events'
import { type Readable, Transform } from 'node:stream'
import { createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { pipeKeeping } from './checked-body.ts'

export type ArchiveFormat = 'tar' | 'tar.gz' | 'tar.zst'

/** RFC 1952, 2.3.1 and RFC 8878, 3.1.1. */
const MAGIC: [ArchiveFormat, Buffer][] = [
  ['tar.gz', Buffer.from([0x1f, 0x8b])],
  ['tar.zst', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
]
/** Of a compressed archive: so much larger it may become, once it is larger than what nobody minds. Text of one letter has 1,000. */
const LARGEST_RATIO = 200
const ANY_RATIO_BYTES = 64 * 1024 * 1024
/** A third of the time of the default for a tenth more size: the server has others to serve. */
const GZIP_LEVEL = 3

/** By its first bytes. They stay in the stream. Resolves with `tar` for what has no bytes, too. */
export async function detectFormat(source: Readable): Promise<ArchiveFormat> {
  if (source.readableLength === 0 && !source.readableEnded) await once(source, 'readable')
  const first: Buffer | null = source.read()
  if (first === null) return 'tar'
  source.unshift(first)
  return MAGIC.find(([, magic]) => first.subarray(0, magic.length).equals(magic))?.[0] ?? 'tar'
}

/** The tar in an archive. The source stays its owner's. `broken` and `bomb` make what the stream fails with. */
export function decompress(
  source: Readable,
  format: ArchiveFormat,
  { broken, bomb }: { broken: (cause: Error) => Error; bomb: () => Error },
): Readable {
  if (format === 'tar') return source
  const decoder = format === 'tar.gz' ? createGunzip() : createZstdDecompress()
  let sizeBytes = 0
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sizeBytes += chunk.length
      const tooMuch = sizeBytes > ANY_RATIO_BYTES && sizeBytes > decoder.bytesWritten * LARGEST_RATIO
      if (tooMuch) done(bomb())
      else done(null, chunk)
    },
  })
  pipeKeeping(source, decoder)
  decoder.once('error', (error) => bounded.destroy(source.errored ?? broken(error)))
  bounded.once('close', () => decoder.destroy())
  return decoder.pipe(bounded)
}

/** The archive of a tar. Destroying it destroys the tar, and the tar's failure is its own. */
export function compress(tar: Readable, format: ArchiveFormat): Readable {
  if (format === 'tar') return tar
  const encoder = format === 'tar.gz' ? createGzip({ level: GZIP_LEVEL }) : createZstdCompress()
  tar.once('error', (error) => encoder.destroy(error))
  encoder.once('close', () => tar.destroy())
  return tar.pipe(encoder)
}

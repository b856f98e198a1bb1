import { Readable, Transform } from 'node:stream'
import { createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { heard, pipeKeeping } from './checked-body.ts'

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

const LONGEST_MAGIC_BYTES = 4
/** Encoders may leave an empty frame behind the content. */
const LARGEST_EMPTY_FRAME_BYTES = 16

/** By its first bytes, however they come; `archive` has them still. What is none of ours, or empty, is taken for a tar. */
export async function detectFormat(source: Readable): Promise<{ format: ArchiveFormat; archive: Readable }> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  while (sizeBytes < LONGEST_MAGIC_BYTES) {
    const chunk: Buffer | null = source.read()
    if (chunk !== null) {
      chunks.push(chunk)
      sizeBytes += chunk.length
    } else if (source.readableEnded || source.destroyed) break
    else await somethingHappens(source)
  }
  const first = Buffer.concat(chunks)
  const format = MAGIC.find(([, magic]) => first.subarray(0, magic.length).equals(magic))?.[0] ?? 'tar'
  if (source.readableEnded) return { format, archive: Readable.from([first]) }
  if (first.length > 0) source.unshift(first)
  return { format, archive: source }
}

const EVENTS = ['readable', 'end', 'close', 'error']

function somethingHappens(source: Readable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of EVENTS) source.off(event, done)
      resolve()
    }
    for (const event of EVENTS) source.on(event, done)
  })
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
  let givenBytes = 0
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sizeBytes += chunk.length
      const tooMuch = sizeBytes > ANY_RATIO_BYTES && sizeBytes > decoder.bytesWritten * LARGEST_RATIO
      if (tooMuch) done(bomb())
      else done(null, chunk)
    },
    flush(done) {
      // Node reads all members of a gzip file, and the first frame only of zstd.
      const isPart = format === 'tar.zst' && givenBytes - decoder.bytesWritten > LARGEST_EMPTY_FRAME_BYTES
      done(isPart ? broken(new Error('more than one zstd frame')) : null)
    },
  })
  pipeKeeping(source, decoder)
  source.on('data', (chunk: Buffer) => {
    givenBytes += chunk.length
  })
  decoder.once('error', (error) => bounded.destroy(source.errored ?? broken(error)))
  bounded.once('close', () => decoder.destroy())
  return decoder.pipe(heard(bounded))
}

/** The archive of a tar. Destroying it destroys the tar, and the tar's failure is its own. */
export function compress(tar: Readable, format: ArchiveFormat): Readable {
  if (format === 'tar') return tar
  const encoder = format === 'tar.gz' ? createGzip({ level: GZIP_LEVEL }) : createZstdCompress()
  tar.once('error', (error) => encoder.destroy(error))
  encoder.once('close', () => tar.destroy())
  return tar.pipe(heard(encoder))
}

import { createHash, timingSafeEqual } from 'node:crypto'
import { type Readable, Transform } from 'node:stream'

export interface BodyChecks {
  limitBytes: number
  /** What it must be, to its last byte. */
  digest?: { algorithm: 'sha256' | 'sha512'; bytes: Buffer } | undefined
  /** What is thrown for either. */
  tooLarge: () => Error
  wrongDigest: () => Error
}

/**
 * The same bytes, and a failure instead of their end where they are too many or other than announced. Whoever writes them down
 * must do so at the end. The source stays its owner's: it is paused, not destroyed, by a failure.
 */
export function checkedBody(source: Readable, { limitBytes, digest, tooLarge, wrongDigest }: BodyChecks): Readable {
  const hash = digest && createHash(digest.algorithm)
  let sizeBytes = 0
  const checked = new Transform({
    highWaterMark: 256 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      sizeBytes += chunk.length
      hash?.update(chunk)
      if (sizeBytes > limitBytes) done(tooLarge())
      else done(null, chunk)
    },
    flush(done) {
      const found = hash?.digest()
      const right = !found || !digest || (found.length === digest.bytes.length && timingSafeEqual(found, digest.bytes))
      done(right ? null : wrongDigest())
    },
  })
  return pipeKeeping(source, checked)
}

/** A failure of a stream that nobody listens to any more ends the process: whoever reads it has left first. */
export function heard<T extends Readable>(stream: T): T {
  return stream.on('error', () => {})
}

/** `source.pipe(target)` that ends the target when the source is cut, and leaves the source alone when the target fails. */
export function pipeKeeping<T extends Transform>(source: Readable, target: T): T {
  source.pipe(heard(target))
  const cut = () => {
    if (!source.readableEnded) target.destroy(source.errored ?? new Error('the source was cut'))
  }
  source.once('close', cut)
  target.once('close', () => {
    source.off('close', cut)
    source.unpipe(target)
    source.pause()
  })
  return target
}

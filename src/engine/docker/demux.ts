import { Buffer } from 'node:buffer'
import { Duplex } from 'node:stream'

const HEADER_BYTES = 8
/** Docker copies in chunks of 32 KiB; anything far beyond is not its framing. */
const LARGEST_FRAME_BYTES = 64 * 1024 * 1024

export interface DemuxOptions {
  /** Bytes of standard error as they come; not kept. Must not throw. */
  onStderr?: (chunk: Buffer) => void
  /** Called once, with the first byte of standard output. */
  onFirst?: () => void
  /** The error of a stream that ends without one byte of standard output; absent: that is an ordinary end. Must not reject. */
  whenEmpty?: () => Promise<Error>
}

/**
 * Docker's attach framing (8 bytes: type, three zeros, length big endian) over a hijacked stream, as a Duplex: reads give
 * standard output, writes go to standard input, `end()` half-closes it. Pulls: nothing is read from the engine beyond
 * what the reader takes. A malformed frame, an error or an end in the middle of a frame destroys it with an error;
 * destroying either side destroys the other. Source: Docker API, "Attach to a container", stream format.
 */
export function demux(stream: Duplex, options: DemuxOptions = {}): Duplex {
  return new DemuxedStream(stream, options)
}

class DemuxedStream extends Duplex {
  readonly #stream: Duplex
  readonly #onStderr: (chunk: Buffer) => void
  readonly #whenEmpty: (() => Promise<Error>) | undefined
  readonly #onFirst: () => void
  #empty = true
  #header: Buffer = Buffer.alloc(0)
  /** Bytes of the current frame that are still to come. */
  #left = 0
  #type = 1
  #wanted = false
  #pumping = false
  #finished = false
  /** Ended without output, and the reason is being found out. */
  #explaining = false

  constructor(stream: Duplex, { onStderr, onFirst, whenEmpty }: DemuxOptions) {
    super({ allowHalfOpen: true, readableHighWaterMark: 1 << 20, writableHighWaterMark: 1 << 20 })
    this.#stream = stream
    this.#onStderr = onStderr ?? (() => undefined)
    this.#onFirst = onFirst ?? (() => undefined)
    this.#whenEmpty = whenEmpty
    stream.on('readable', () => this.#pump())
    stream.on('end', () => this.#ended())
    stream.on('error', (error) => this.destroy(error))
    stream.on('close', () => this.#closed())
  }

  override _read(): void {
    this.#wanted = true
    this.#pump()
  }

  #pump(): void {
    // A reader that calls read() from its 'data' listener must not get here in the middle of a chunk.
    if (this.#pumping) return
    this.#pumping = true
    while (this.#wanted && !this.destroyed) {
      const chunk: Buffer | null = this.#stream.read()
      if (chunk === null) break
      this.#take(chunk)
    }
    this.#pumping = false
  }

  #take(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) {
      if (this.#left > 0) {
        const part = rest.subarray(0, this.#left)
        rest = rest.subarray(part.length)
        this.#left -= part.length
        this.#deliver(part)
        continue
      }
      rest = this.#takeHeader(rest)
      if (this.destroyed) return
    }
  }

  #deliver(part: Buffer): void {
    if (this.#type === 2) {
      this.#onStderr(part)
      return
    }
    if (this.#empty) this.#onFirst()
    this.#empty = false
    if (!this.push(part)) this.#wanted = false
  }

  /** Collects the header across chunks, gives back what follows it. */
  #takeHeader(chunk: Buffer): Buffer {
    const needed = HEADER_BYTES - this.#header.length
    const header =
      this.#header.length === 0 ? chunk.subarray(0, needed) : Buffer.concat([this.#header, chunk.subarray(0, needed)])
    const rest = chunk.subarray(needed)
    if (header.length < HEADER_BYTES) {
      this.#header = Buffer.from(header)
      return rest
    }
    this.#header = Buffer.alloc(0)
    this.#type = header[0] ?? -1
    this.#left = header.readUInt32BE(4)
    if (this.#type > 2 || header[1] !== 0 || header[2] !== 0 || header[3] !== 0 || this.#left > LARGEST_FRAME_BYTES) {
      this.destroy(new Error('the engine sent a malformed frame'))
    }
    return rest
  }

  #ended(): void {
    if (this.destroyed) return
    if (this.#left > 0 || this.#header.length > 0) {
      this.destroy(lost())
      return
    }
    if (this.#empty && this.#whenEmpty !== undefined) {
      this.#explaining = true
      void this.#whenEmpty().then((error) => this.destroy(error))
      return
    }
    this.#finished = true
    this.push(null)
  }

  /** What was read from the engine stays readable after its end. */
  #closed(): void {
    if (this.#explaining) return
    if (!this.#finished) this.destroy(lost())
    else if (this.readableEnded) this.destroy()
    else this.once('end', () => this.destroy())
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#stream.write(chunk, done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#stream.cork()
    for (const [index, { chunk }] of chunks.entries())
      this.#stream.write(chunk, index === chunks.length - 1 ? done : undefined)
    this.#stream.uncork()
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#stream.end(() => done())
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#stream.destroy()
    done(error)
  }
}

function lost(): Error {
  return Object.assign(new Error('the stream from the engine ended in the middle'), { code: 'ECONNRESET' })
}

/** Smaller pieces are copied together, so that a program that writes single bytes costs bytes. */
const BLOCK_BYTES = 16 * 1024

/**
 * A byte stream of any length in bounded memory: all of it up to `limitBytes`, else its first and its last half, with a line
 * between them that says how much is missing. Takes its own copy of what is written.
 */
export class OutputBuffer {
  readonly #headLimit: number
  readonly #tailLimit: number
  readonly #head = new Blocks()
  readonly #tail = new Blocks()
  #totalBytes = 0

  constructor({ limitBytes }: { limitBytes: number }) {
    this.#headLimit = Math.ceil(limitBytes / 2)
    this.#tailLimit = limitBytes - this.#headLimit
  }

  /** Of all that was written. */
  get totalBytes(): number {
    return this.#totalBytes
  }

  /** Some of it is not kept. */
  get truncated(): boolean {
    return this.#totalBytes > this.#headLimit + this.#tailLimit
  }

  write(bytes: Uint8Array): void {
    this.#totalBytes += bytes.length
    const room = this.#headLimit - this.#head.sizeBytes
    if (room > 0) this.#head.append(bytes.subarray(0, room))
    if (room >= bytes.length) return
    const rest = bytes.subarray(Math.max(0, room))
    this.#tail.append(rest.subarray(Math.max(0, rest.length - this.#tailLimit)))
    this.#tail.trimStart(this.#tailLimit)
  }

  /** What is kept, with the line in the place of what is not: that line comes on top of the limit. */
  bytes(): Buffer {
    const parts = [...this.#head.parts()]
    if (this.truncated) {
      const left = this.#totalBytes - this.#head.sizeBytes - this.#tail.sizeBytes
      parts.push(Buffer.from(`\n[... ${left} bytes left out ...]\n`))
    }
    return Buffer.concat([...parts, ...this.#tail.parts()])
  }
}

/** A queue of bytes in blocks: append at the end, drop from the start. */
class Blocks {
  #blocks: { bytes: Buffer; start: number; end: number }[] = []
  sizeBytes = 0

  append(bytes: Uint8Array): void {
    let rest = bytes
    while (rest.length > 0) {
      let last = this.#blocks.at(-1)
      if (last === undefined || last.end === last.bytes.length) {
        const grown =
          last === undefined
            ? Math.max(512, Math.min(rest.length, BLOCK_BYTES))
            : Math.max(BLOCK_BYTES, last.bytes.length)
        last = { bytes: Buffer.allocUnsafeSlow(Math.min(grown, BLOCK_BYTES)), start: 0, end: 0 }
        this.#blocks.push(last)
      }
      const piece = rest.subarray(0, last.bytes.length - last.end)
      last.bytes.set(piece, last.end)
      last.end += piece.length
      this.sizeBytes += piece.length
      rest = rest.subarray(piece.length)
    }
  }

  trimStart(limitBytes: number): void {
    while (this.sizeBytes > limitBytes) {
      const first = this.#blocks[0]
      if (first === undefined) return
      const dropped = Math.min(this.sizeBytes - limitBytes, first.end - first.start)
      first.start += dropped
      this.sizeBytes -= dropped
      if (first.start === first.end) this.#blocks.shift()
    }
  }

  *parts(): Generator<Buffer> {
    for (const { bytes, start, end } of this.#blocks) yield bytes.subarray(start, end)
  }
}

/** What a buffer begins with; it doubles up to its limit. Most programs print little. */
const FIRST_BYTES = 512

/**
 * A byte stream of any length in bounded memory: all of it up to `limitBytes`, else its first and its last half, with a line
 * between them that says how much is missing. Takes its own copy of what is written.
 */
export class OutputBuffer {
  readonly #limitBytes: number
  readonly #head: Ring
  readonly #tail: Ring
  #totalBytes = 0

  constructor({ limitBytes }: { limitBytes: number }) {
    const headBytes = Math.ceil(limitBytes / 2)
    this.#limitBytes = limitBytes
    this.#head = new Ring(headBytes)
    this.#tail = new Ring(limitBytes - headBytes)
  }

  /** Of all that was written. */
  get totalBytes(): number {
    return this.#totalBytes
  }

  /** Some of it is not kept. */
  get truncated(): boolean {
    return this.#totalBytes > this.#limitBytes
  }

  write(bytes: Uint8Array): void {
    this.#totalBytes += bytes.length
    const room = this.#head.roomBytes
    if (room > 0) this.#head.append(bytes.subarray(0, room))
    if (bytes.length > room) this.#tail.append(bytes.subarray(room))
  }

  /** What is kept, with the line in the place of what is not: that line comes on top of the limit. */
  bytes(): Buffer {
    const left = this.#totalBytes - this.#limitBytes
    const marker = Buffer.from(left > 0 ? `\n[... ${left} bytes left out ...]\n` : '')
    return Buffer.concat([...this.#head.parts(), marker, ...this.#tail.parts()])
  }
}

/** The last `limitBytes` of what was appended. */
class Ring {
  readonly #limitBytes: number
  #memory = Buffer.alloc(0)
  #start = 0
  #sizeBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get roomBytes(): number {
    return this.#limitBytes - this.#sizeBytes
  }

  append(bytes: Uint8Array): void {
    const kept = bytes.subarray(Math.max(0, bytes.length - this.#limitBytes))
    this.#grow(Math.min(this.#limitBytes, this.#sizeBytes + kept.length))
    const dropped = Math.max(0, kept.length - this.roomBytes)
    const capacity = this.#memory.length
    const end = (this.#start + this.#sizeBytes) % (capacity || 1)
    const first = kept.subarray(0, capacity - end)
    this.#memory.set(first, end)
    this.#memory.set(kept.subarray(first.length), 0)
    this.#start = (this.#start + dropped) % (capacity || 1)
    this.#sizeBytes += kept.length - dropped
  }

  /** In order; views of its memory. */
  parts(): [Buffer, Buffer] {
    const end = this.#start + this.#sizeBytes
    return [this.#memory.subarray(this.#start, end), this.#memory.subarray(0, Math.max(0, end - this.#memory.length))]
  }

  /** Nothing was dropped as long as there is something to grow, so the bytes begin at 0. */
  #grow(neededBytes: number): void {
    if (neededBytes <= this.#memory.length) return
    const grown = Buffer.allocUnsafeSlow(
      Math.min(this.#limitBytes, Math.max(FIRST_BYTES, neededBytes, this.#memory.length * 2)),
    )
    grown.set(this.#memory.subarray(0, this.#sizeBytes))
    this.#memory = grown
  }
}

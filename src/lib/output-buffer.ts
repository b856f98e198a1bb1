import type { MemoryLease } from './memory-budget.ts'

/** What a buffer begins with; it doubles up to its limit. Most programs print little. */
const FIRST_BYTES = 512
/** So much is always there, without asking: what most programs print is never cut because of others. */
const FREE_BYTES = 64 * 1024

/**
 * A byte stream of any length in bounded memory: all of it up to `limitBytes`, else its first and its last half, with a line
 * between them that says how much is missing. Takes its own copy of what is written.
 */
export class OutputBuffer {
  readonly #head: Ring
  readonly #tail: Ring
  #totalBytes = 0

  /** `memory` is asked before the buffer grows; where it has no room, what is kept stays as long as it is. */
  constructor({ limitBytes, memory }: { limitBytes: number; memory?: Pick<MemoryLease, 'take'> | undefined }) {
    const headBytes = Math.ceil(limitBytes / 2)
    this.#head = new Ring(headBytes, memory)
    this.#tail = new Ring(limitBytes - headBytes, memory)
  }

  /** Of all that was written. */
  get totalBytes(): number {
    return this.#totalBytes
  }

  /** Some of it is not kept. */
  get truncated(): boolean {
    return this.#totalBytes > this.#head.sizeBytes + this.#tail.sizeBytes
  }

  write(bytes: Uint8Array): void {
    this.#totalBytes += bytes.length
    const room = this.#head.makeRoom(bytes.length)
    if (room > 0) this.#head.append(bytes.subarray(0, room))
    if (bytes.length > room) this.#tail.append(bytes.subarray(room))
  }

  /** What is kept, with the line in the place of what is not: that line comes on top of the limit. `mark` false: without it. */
  bytes({ mark = true }: { mark?: boolean | undefined } = {}): Buffer {
    const left = this.#totalBytes - this.#head.sizeBytes - this.#tail.sizeBytes
    const marker = Buffer.from(mark && left > 0 ? `\n[... ${left} bytes left out ...]\n` : '')
    return Buffer.concat([...this.#head.parts(), marker, ...this.#tail.parts()])
  }
}

/** The last `limitBytes` of what was appended, or fewer where memory was refused. */
class Ring {
  #limitBytes: number
  readonly #lease: Pick<MemoryLease, 'take'> | undefined
  #memory = Buffer.alloc(0)
  #start = 0
  #sizeBytes = 0

  constructor(limitBytes: number, lease: Pick<MemoryLease, 'take'> | undefined) {
    this.#limitBytes = limitBytes
    this.#lease = lease
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Grows where it may; how many of so many bytes can be appended with nothing lost. */
  makeRoom(bytes: number): number {
    this.#grow(Math.min(this.#limitBytes, this.#sizeBytes + bytes))
    return Math.min(bytes, this.#limitBytes - this.#sizeBytes)
  }

  append(bytes: Uint8Array): void {
    this.makeRoom(bytes.length)
    const kept = bytes.subarray(Math.max(0, bytes.length - this.#limitBytes))
    const dropped = Math.max(0, kept.length - (this.#limitBytes - this.#sizeBytes))
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
    const wanted = Math.min(this.#limitBytes, Math.max(FIRST_BYTES, neededBytes, this.#memory.length * 2))
    const counted = Math.max(0, wanted - FREE_BYTES) - Math.max(0, this.#memory.length - FREE_BYTES)
    if (counted > 0 && this.#lease?.take(counted) === false) {
      this.#limitBytes = Math.max(this.#memory.length, FREE_BYTES)
      this.#grow(Math.min(neededBytes, this.#limitBytes))
      return
    }
    const grown = Buffer.allocUnsafeSlow(wanted)
    grown.set(this.#memory.subarray(0, this.#sizeBytes))
    this.#memory = grown
  }
}

import { Buffer } from 'node:buffer'

/** Keeps the last bytes that were written to it. */
export class Tail {
  readonly #limitBytes: number
  #bytes: Buffer = Buffer.alloc(0)

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  write(chunk: Buffer): void {
    const joined = Buffer.concat([this.#bytes, chunk.subarray(-this.#limitBytes)])
    this.#bytes = joined.subarray(-this.#limitBytes)
  }

  /** UTF-8, what is not UTF-8 replaced. */
  text(): string {
    return this.#bytes.toString('utf8')
  }
}

/** Keeps the first and the last bytes that were written to it, and how many were left out between. */
export class HeadAndTail {
  readonly #headBytes: number
  readonly #tail: Tail
  #head: Buffer = Buffer.alloc(0)
  #droppedBytes: number

  constructor(headBytes: number, tailBytes: number) {
    this.#headBytes = headBytes
    this.#tail = new Tail(tailBytes)
    this.#droppedBytes = -tailBytes
  }

  write(chunk: Buffer): void {
    const forHead = chunk.subarray(0, this.#headBytes - this.#head.length)
    this.#head = Buffer.concat([this.#head, forHead])
    this.#tail.write(chunk.subarray(forHead.length))
    this.#droppedBytes += chunk.length - forHead.length
  }

  text(): string {
    const gap = this.#droppedBytes > 0 ? `\n… ${this.#droppedBytes} bytes left out …\n` : ''
    return `${this.#head.toString('utf8')}${gap}${this.#tail.text()}`
  }
}

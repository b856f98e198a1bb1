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

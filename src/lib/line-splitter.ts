import { decodeText } from './text.ts'

/** A line with its line end as it was written, and when its first byte came. */
export interface Line {
  line: string
  timestampMs: number
}

const LINE_LIMIT_BYTES = 64 * 1024
const NEWLINE = 10

/**
 * Bytes that are cut anywhere as lines of text. A line that is longer than 64 KiB comes in pieces of at most that (not inside a
 * character), so memory is bounded. `\n` and `\r\n` end a line; a lone `\r` is part of it.
 */
export class LineSplitter {
  #pieces: Uint8Array[] = []
  #sizeBytes = 0
  #timestampMs = 0

  /** The lines that are complete with these bytes. */
  write(bytes: Uint8Array, timestampMs: number): Line[] {
    const lines: Line[] = []
    let at = 0
    while (at < bytes.length) {
      const newline = bytes.indexOf(NEWLINE, at)
      const end = newline < 0 ? bytes.length : newline + 1
      const piece = bytes.subarray(at, Math.min(end, at + LINE_LIMIT_BYTES - this.#sizeBytes))
      if (this.#sizeBytes === 0) this.#timestampMs = timestampMs
      this.#pieces.push(piece)
      this.#sizeBytes += piece.length
      at += piece.length
      if (newline >= 0 && at === newline + 1) lines.push(this.#take(this.#sizeBytes))
      else if (this.#sizeBytes >= LINE_LIMIT_BYTES) lines.push(this.#take(this.#wholeCharacters()))
    }
    // What stays must not hold the caller's chunk.
    if (this.#sizeBytes > 0) this.#pieces = [Buffer.concat(this.#pieces)]
    return lines
  }

  /** The last line, when it has no line end; else nothing. */
  end(): Line[] {
    return this.#sizeBytes === 0 ? [] : [this.#take(this.#sizeBytes)]
  }

  #take(sizeBytes: number): Line {
    const all = Buffer.concat(this.#pieces)
    const rest = all.subarray(sizeBytes)
    this.#pieces = rest.length === 0 ? [] : [rest]
    this.#sizeBytes = rest.length
    return { line: decodeText(all.subarray(0, sizeBytes)), timestampMs: this.#timestampMs }
  }

  /** How many bytes there are up to the start of a character that is cut off at the end (RFC 3629). */
  #wholeCharacters(): number {
    const all = Buffer.concat(this.#pieces)
    this.#pieces = [all]
    for (let back = 1; back <= 3; back++) {
      const byte = all[all.length - back] ?? 0
      if ((byte & 0xc0) === 0x80) continue
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
      return length > back ? all.length - back : all.length
    }
    return all.length
  }
}

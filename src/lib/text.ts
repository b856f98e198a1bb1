/** UTF-8 as text; what is not UTF-8 becomes U+FFFD. A byte order mark is kept: it was written. */
export function decodeText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

const LONGEST_CHARACTER_BYTES = 4

/** How many bytes at the end begin a character of UTF-8 that is not complete: 0 to 3. */
export function incompleteTail(bytes: Uint8Array): number {
  for (let back = 1; back < LONGEST_CHARACTER_BYTES && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0
    const isContinuation = (byte & 0xc0) === 0x80
    if (!isContinuation) return lengthOfCharacter(byte) > back ? back : 0
  }
  return 0
}

/** RFC 3629, section 4: by its first byte; 1 for what begins none. */
function lengthOfCharacter(first: number): number {
  if (first >= 0xf0 && first <= 0xf4) return 4
  if (first >= 0xe0 && first < 0xf0) return 3
  return first >= 0xc2 && first < 0xe0 ? 2 : 1
}

/** UTF-8 in chunks that are cut anywhere, also inside a character. */
export class TextChunks {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  #tail = new Uint8Array(0)

  /** How many bytes wait for the rest of their character. */
  get pendingBytes(): number {
    return incompleteTail(this.#tail)
  }

  /** The text that is complete with this chunk. */
  write(bytes: Uint8Array): string {
    const short = bytes.length < LONGEST_CHARACTER_BYTES
    this.#tail = (short ? Buffer.concat([this.#tail, bytes]) : bytes).slice(-LONGEST_CHARACTER_BYTES)
    return this.#decoder.decode(bytes, { stream: true })
  }

  /** What was cut off at the end, as U+FFFD. */
  end(): string {
    return this.#decoder.decode()
  }
}

/** The text, when all of it is UTF-8; null when not. */
export function decodeExactly(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

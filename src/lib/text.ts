/** UTF-8 as text; what is not UTF-8 becomes U+FFFD. A byte order mark is kept: it was written. */
export function decodeText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** UTF-8 in chunks that are cut anywhere, also inside a character. */
export class TextChunks {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })

  /** The text that is complete with this chunk. */
  write(bytes: Uint8Array): string {
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

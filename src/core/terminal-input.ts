import { isSandboxError } from '../errors.ts'

/** Typed ahead of a program that does not read: more waits for it. */
const AHEAD_BYTES = 256 * 1024

/**
 * What one client types, in order, as few writes as its pace allows. Each write is a request of its own, so that several may type,
 * and a lost link loses nothing but the writes it cut.
 */
export class TerminalInput {
  readonly #write: (bytes: Uint8Array) => Promise<void>
  readonly #onError: (error: unknown) => void
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #writing: Promise<void> | null = null

  /** `onError` gets what a write failed with, but for the end of the program. */
  constructor(write: (bytes: Uint8Array) => Promise<void>, onError: (error: unknown) => void) {
    this.#write = write
    this.#onError = onError
  }

  /** Wait for what it returns, if anything, before there is more. */
  type(bytes: Uint8Array): void | Promise<void> {
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    this.#writing ??= this.#writeAll()
    if (this.#waitingBytes > AHEAD_BYTES) return this.#writing
  }

  /** Never rejects. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const bytes = Buffer.concat(this.#waiting)
      this.#waiting = []
      this.#waitingBytes = 0
      try {
        await this.#write(bytes)
      } catch (error) {
        if (!isSandboxError(error, 'STDIN_CLOSED') && !isSandboxError(error, 'PROCESS_NOT_FOUND')) this.#onError(error)
      }
    }
    this.#writing = null
  }
}

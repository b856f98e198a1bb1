import { LineSplitter } from '../lib/line-splitter.ts'
import type { MemoryLease } from '../lib/memory-budget.ts'
import type { LogLine } from './model.ts'

/** What a line costs beside its text, so that millions of empty ones stay within the limit. */
const LINE_OVERHEAD_BYTES = 64
const GRANT_BYTES = 64 * 1024

/** One stream of a run as lines with the time of their first byte. Past the limit its middle is left out: first and last halves stay. */
export class LogLines {
  #halfBytes: number
  readonly #lease: Pick<MemoryLease, 'take'> | undefined
  /** What may be kept without asking again; the first part is free. */
  #grantedBytes = GRANT_BYTES
  readonly #error: boolean
  readonly #splitter = new LineSplitter()
  readonly #head: LogLine[] = []
  /** A queue whose first `#dropped` members are gone. */
  #tail: LogLine[] = []
  #dropped = 0
  #headBytes = 0
  #tailBytes = 0
  #leftOut = 0

  /** `memory` is asked before more is kept; where it has no room, what is kept stays as long as it is. */
  constructor({
    limitBytes,
    error,
    memory,
  }: { limitBytes: number; error: boolean; memory?: Pick<MemoryLease, 'take'> | undefined }) {
    this.#halfBytes = limitBytes / 2
    this.#error = error
    this.#lease = memory
  }

  get truncated(): boolean {
    return this.#leftOut > 0
  }

  write(bytes: Uint8Array, timestampMs: number): void {
    for (const { line, timestampMs: at } of this.#splitter.write(bytes, timestampMs)) this.#add(line, at)
  }

  /** All lines, with one that says how many are missing where some are. Ends the stream. */
  lines(): LogLine[] {
    this.#end()
    const tail = this.#tail.slice(this.#dropped)
    if (this.#leftOut === 0) return [...this.#head, ...tail]
    const timestampMs = tail[0]?.timestampMs ?? Date.now()
    return [
      ...this.#head,
      { line: `[... ${this.#leftOut} lines left out ...]\n`, error: this.#error, timestampMs },
      ...tail,
    ]
  }

  /** The last lines of it, about `limit` characters. Ends the stream. */
  tail(limit: number): string {
    this.#end()
    const last: string[] = []
    let length = 0
    const all = [...this.#head, ...this.#tail.slice(this.#dropped)]
    for (let index = all.length - 1; index >= 0 && length < limit; index--) {
      const line = all[index]?.line ?? ''
      last.push(line)
      length += line.length
    }
    return last.reverse().join('')
  }

  #end(): void {
    for (const { line, timestampMs } of this.#splitter.end()) this.#add(line, timestampMs)
  }

  #add(line: string, timestampMs: number): void {
    const entry = { line, error: this.#error, timestampMs }
    const cost = line.length + LINE_OVERHEAD_BYTES
    this.#grant(cost)
    if (this.#tail.length === 0 && this.#headBytes + cost <= this.#halfBytes) {
      this.#head.push(entry)
      this.#headBytes += cost
      return
    }
    this.#tail.push(entry)
    this.#tailBytes += cost
    while (this.#tailBytes > this.#halfBytes && this.#dropped < this.#tail.length - 1) {
      this.#tailBytes -= (this.#tail[this.#dropped]?.line.length ?? 0) + LINE_OVERHEAD_BYTES
      this.#dropped++
      this.#leftOut++
    }
    if (this.#dropped > 1024 && this.#dropped > this.#tail.length / 2) {
      this.#tail = this.#tail.slice(this.#dropped)
      this.#dropped = 0
    }
  }

  #grant(cost: number): void {
    if (this.#headBytes + this.#tailBytes + cost <= this.#grantedBytes || this.#grantedBytes >= this.#halfBytes * 2)
      return
    if (this.#lease?.take(GRANT_BYTES) === false) this.#halfBytes = Math.min(this.#halfBytes, this.#grantedBytes / 2)
    else this.#grantedBytes += GRANT_BYTES
  }
}

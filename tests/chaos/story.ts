const MOST_LINES = 4000

/** What happened, in order, so that a violation can be understood and repeated. Bounded: the oldest go first. */
export class Story {
  readonly #lines: string[] = []
  readonly #startedAt = performance.now()
  readonly #print: ((line: string) => void) | undefined

  constructor(print?: (line: string) => void) {
    this.#print = print
  }

  tell(line: string): void {
    const told = `${((performance.now() - this.#startedAt) / 1000).toFixed(3).padStart(9)}  ${line}`
    this.#lines.push(told)
    if (this.#lines.length > MOST_LINES) this.#lines.splice(0, MOST_LINES / 2)
    this.#print?.(told)
  }

  /** The newest lines; only those that name one of `words`, when there are any, and the faults. */
  last(count: number, words: readonly string[] = []): string[] {
    const about = words.length === 0
    return this.#lines
      .filter((line) => about || line.includes('##') || words.some((word) => line.includes(word)))
      .slice(-count)
  }
}

import type { Outcome } from './client.ts'

/** What a run counts and measures. */
export class Figures {
  rounds = 0
  readonly roundsByKind: Record<string, number> = {}
  readonly requests = { answered: 0, refused: 0, unsent: 0, broken: 0, hung: 0 }
  readonly faults: Record<string, number> = {}
  filesRead = 0
  created = 0
  /** Milliseconds from the end of a fault, a start of the server or the engine included, until a command works again. */
  readonly recoveryMs: number[] = []
  /** Milliseconds from the last answer of the load until every invariant holds. */
  readonly settleMs: number[] = []

  request(outcome: Outcome): void {
    if (outcome.kind === 'answer') this.requests[outcome.status < 400 ? 'answered' : 'refused']++
    else this.requests[outcome.kind]++
  }

  fault(kind: string): void {
    this.faults[kind] = (this.faults[kind] ?? 0) + 1
  }

  round(kind: string): void {
    this.roundsByKind[kind] = (this.roundsByKind[kind] ?? 0) + 1
  }

  lines(): string[] {
    const { answered, refused, broken, hung } = this.requests
    const list = (counts: Record<string, number>) =>
      Object.entries(counts)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([kind, count]) => `${kind} ${count}`)
        .join(', ')
    return [
      `rounds       ${this.rounds}: ${list(this.roundsByKind)}`,
      `faults       ${list(this.faults)}`,
      `requests     ${answered + refused + broken + hung}: ${answered} done, ${refused} refused, ${broken} connections broken, ${hung} hung`,
      `sandboxes    ${this.created} created, ${this.filesRead} files compared`,
      `recovery     p50 ${percentile(this.recoveryMs, 0.5)} ms, p95 ${percentile(this.recoveryMs, 0.95)} ms, longest ${percentile(this.recoveryMs, 1)} ms`,
      `settled      p50 ${percentile(this.settleMs, 0.5)} ms, p95 ${percentile(this.settleMs, 0.95)} ms, longest ${percentile(this.settleMs, 1)} ms`,
    ]
  }
}

function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
}

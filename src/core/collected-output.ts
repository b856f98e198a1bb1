import type { OutputEvent } from '../agent/types.ts'
import { Displays } from './displays.ts'
import { LogLines } from './log-lines.ts'
import type { CallOptions, CodeError, CodeResult } from './model.ts'

/** What a run printed and showed, kept within limits for one answer at its end. */
export class CollectedOutput {
  readonly #stdout: LogLines
  readonly #stderr: LogLines
  readonly #displays: Displays
  #timestampMs = Date.now()

  constructor(limitBytes: number, memory: CallOptions['memory']) {
    this.#stdout = new LogLines({ limitBytes, error: false, memory })
    this.#stderr = new LogLines({ limitBytes, error: true, memory })
    this.#displays = new Displays({ limitBytes, memory })
  }

  /** What the code itself failed with. */
  get error(): CodeError | null {
    return this.#displays.error
  }

  get truncated(): boolean {
    return this.#stdout.truncated || this.#stderr.truncated || this.#displays.truncated
  }

  /** Nobody waits for it. */
  start(): void {}

  readonly take = (event: OutputEvent): void => {
    if (event.type === 'time') this.#timestampMs = event.timestampMs
    else if (event.type === 'event') this.#displays.add(event.event, event.sizeBytes)
    else if (event.type === 'stdout') this.#stdout.write(event.bytes, this.#timestampMs)
    else if (event.type === 'stderr') this.#stderr.write(event.bytes, this.#timestampMs)
  }

  /** The last text of stderr, at the end. */
  stderrTail(characters: number): string {
    return this.#stderr.tail(characters)
  }

  /** At the end. */
  all(): Pick<CodeResult, 'logs' | 'displays'> {
    const logs = { stdout: this.#stdout.lines(), stderr: this.#stderr.lines() }
    return { logs, displays: this.#displays.all() }
  }
}

import type { OutputEvent, ProcessStatus } from '../agent/types.ts'
import { LogLines } from './log-lines.ts'
import type { CodeError, OnRunEvent } from './model.ts'

/** Enough of stderr's end for any traceback. */
const KEPT_BYTES = 128 * 1024

/** Passes a run on as it happens. Nothing of it is kept but its error, and the end of stderr, in which a program may say why it failed. */
export class LiveOutput {
  readonly #onEvent: OnRunEvent
  readonly #stderr = new LogLines({ limitBytes: KEPT_BYTES, error: true })
  #timestampMs = Date.now()
  #error: CodeError | null = null
  #truncated = false
  /** Of the run's output: where it goes on after the latest event. */
  #offset: number

  constructor(onEvent: OnRunEvent, offset = 0) {
    this.#onEvent = onEvent
    this.#offset = offset
  }

  /** What the code itself failed with. */
  get error(): CodeError | null {
    return this.#error
  }

  /** Some of what it displayed was left out. */
  get truncated(): boolean {
    return this.#truncated
  }

  start({ id, startedAt }: ProcessStatus, language: string | null, contextId: string | null): void | Promise<void> {
    return this.#onEvent({ type: 'start', processId: id, startedAt, language, contextId })
  }

  readonly take = (event: OutputEvent): void | Promise<void> => {
    switch (event.type) {
      case 'time':
        this.#timestampMs = event.timestampMs
        return
      case 'stdout':
      case 'stderr':
        this.#offset += event.bytes.length
        if (event.type === 'stderr') this.#stderr.write(event.bytes, this.#timestampMs)
        return this.#onEvent({
          type: event.type,
          bytes: event.bytes,
          timestampMs: this.#timestampMs,
          offset: this.#offset,
        })
      case 'dropped':
        this.#offset += event.sizeBytes
        return this.#onEvent({ ...event, offset: this.#offset })
      case 'event':
        this.#offset += event.sizeBytes
        return this.#takeEvent(event.event)
    }
  }

  /** The last text of stderr, at the end. */
  stderrTail(characters: number): string {
    return this.#stderr.tail(characters)
  }

  #takeEvent(event: (OutputEvent & { type: 'event' })['event']): void | Promise<void> {
    if (event === null) return
    if (event.type === 'error') {
      const { name, value, traceback } = event
      this.#error = { name, value, traceback }
      return
    }
    const { data, main, displayId, update, truncated } = event
    if (truncated.length > 0) this.#truncated = true
    const display = { data, main, displayId, truncated }
    return this.#onEvent({ type: 'result', display, update, offset: this.#offset })
  }
}

import type { CallOptions } from '../model.ts'
import type { BuildEvent } from './model.ts'

type Unplaced = BuildEvent extends infer E ? (E extends BuildEvent ? Omit<E, 'offset'> : never) : never

const LONGEST_TEXT = 64 * 1024
/** What an event costs beside its text. */
const EVENT_BYTES = 64

/** What a build said, the latest of it, for any number of readers while it grows and after. */
export class BuildLog {
  readonly #limitBytes: number
  #events: BuildEvent[] = []
  #bytes = 0
  /** Offset of the first that is kept. */
  #first = 0
  #ended = false
  #waiting: (() => void)[] = []

  constructor({ limitBytes }: { limitBytes: number }) {
    this.#limitBytes = limitBytes
  }

  static parse(text: string | null): BuildLog {
    const log = new BuildLog({ limitBytes: Number.POSITIVE_INFINITY })
    log.#events = text === null ? [] : (JSON.parse(text) as BuildEvent[])
    log.#first = (log.#events[0]?.offset ?? 1) - 1
    log.#ended = true
    return log
  }

  add(event: Unplaced): void {
    if ('text' in event && event.text.length > LONGEST_TEXT) {
      for (let at = 0; at < event.text.length; at += LONGEST_TEXT)
        this.add({ ...event, text: event.text.slice(at, at + LONGEST_TEXT) })
      return
    }
    const offset = this.#first + this.#events.length + 1
    this.#events.push({ ...event, offset } as BuildEvent)
    this.#bytes += costOf(event)
    while (this.#bytes > this.#limitBytes && this.#events.length > 1) {
      const oldest = this.#events.shift()
      if (oldest) this.#bytes -= costOf(oldest)
      this.#first++
    }
    this.#tell()
  }

  /** Nothing follows. */
  end(): void {
    this.#ended = true
    this.#tell()
  }

  /** What there is after an offset; what was dropped since then is told first. */
  since(offset: number): BuildEvent[] {
    const missing = Math.min(this.#first - offset, this.#first)
    const events = this.#events.slice(Math.max(0, offset - this.#first))
    return missing > 0 ? [{ type: 'dropped', count: missing, offset: this.#first }, ...events] : events
  }

  /** All after an offset as it comes, to the end of the build. A promise of `onEvent` is waited for. */
  async follow(
    offset: number,
    onEvent: (event: BuildEvent) => void | Promise<void>,
    { signal }: CallOptions,
  ): Promise<void> {
    for (let at = offset; ; ) {
      signal?.throwIfAborted()
      const events = this.since(at)
      for (const event of events) {
        await onEvent(event)
        at = event.offset
        signal?.throwIfAborted()
        // What was read slowly may be gone by now: look again.
        if (at < this.#first) break
      }
      if (events.length > 0) continue
      if (this.#ended) return
      await this.#more(signal)
    }
  }

  /** The last text of one step, about so much. */
  tailOf(step: number, limit: number): string {
    let tail = ''
    for (let at = this.#events.length - 1; at >= 0 && tail.length < limit; at--) {
      const event = this.#events[at]
      if (event?.type === 'step') break
      if ((event?.type === 'stdout' || event?.type === 'stderr') && event.step === step) tail = event.text + tail
    }
    return tail.slice(-limit)
  }

  toString(): string {
    return JSON.stringify(this.#events)
  }

  #more(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting = this.#waiting.filter((other) => other !== go)
        reject(signal?.reason)
      }
      const go = () => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      signal?.addEventListener('abort', leave, { once: true })
      this.#waiting.push(go)
    })
  }

  #tell(): void {
    for (const go of this.#waiting.splice(0)) go()
  }
}

function costOf(event: Unplaced): number {
  return EVENT_BYTES + ('text' in event ? event.text.length : 0)
}

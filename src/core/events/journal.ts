import type { EventRow, EventTable } from '../../store/events.ts'
import type { Clock } from '../clock.ts'
import type { CallOptions } from '../model.ts'
import type { Event, EventData, EventPage, EventQuery, EventType, NewEvent } from './event.ts'

/** Read from the table at a time by one who follows, so that a slow reader holds nothing else. */
const PAGE = 100
/** Pruned only now and then: each time costs a write. A tenth of what is kept, at most this. */
const PRUNE_EVERY = 1000

/** What has happened, in order and durable. Whoever writes an event in a transaction writes it with what it tells, or not at all. */
export class Journal {
  readonly #table: EventTable
  readonly #clock: Clock
  readonly #kept: number
  readonly #waiting = new Set<() => void>()
  #untilPrune = 0
  #telling = false

  /** `kept`: how many of the latest events stay, at least. */
  constructor({ table, clock, kept }: { table: EventTable; clock: Clock; kept: number }) {
    this.#table = table
    this.#clock = clock
    this.#kept = kept
  }

  append({ type, sandboxId, data }: NewEvent): void {
    const seq = this.#table.append({ at: this.#clock.now(), sandboxId, type, body: JSON.stringify(data) })
    if (--this.#untilPrune < 0) {
      this.#untilPrune = Math.min(PRUNE_EVERY, Math.floor(this.#kept / 10))
      this.#table.prune(seq - this.#kept)
    }
    this.#tell()
  }

  /** The number of the last one, kept or not; 0: there was none. */
  get latest(): number {
    return this.#table.bounds().latest
  }

  /** The number of the first one that is kept; one more than the last where none is. */
  get oldest(): number {
    return this.#table.bounds().oldest
  }

  /** At most `limit` events. */
  page({ after = 0, ...filter }: EventQuery, limit: number): EventPage {
    const { oldest, latest } = this.#table.bounds()
    // A number that was not given out yet is of a database that was lost: numbers began anew.
    const lost = after > latest
    const from = lost ? 0 : after
    const events = this.#table.read({ after: from, limit, ...filter }).map(toEvent)
    const next = events.length < limit ? latest : (events.at(-1)?.seq ?? from)
    return { events, next, gap: lost || (after > 0 && after < oldest - 1) }
  }

  /**
   * Those from there on as they happen, until the signal aborts or `onEvent` gives false. A gap is told before what comes after it.
   * `onRead`: all up to this number was told, or is not asked for.
   */
  async follow(
    query: EventQuery,
    onEvent: (event: Event | 'gap') => boolean | Promise<boolean>,
    { signal, onRead }: CallOptions & { onRead?: (upTo: number) => void },
  ): Promise<void> {
    let after = query.after ?? this.latest
    for (;;) {
      signal?.throwIfAborted()
      const more = this.#next(signal)
      try {
        const { events, next, gap } = this.page({ ...query, after }, PAGE)
        if (gap && !(await onEvent('gap'))) return
        for (const event of events) if (!(await onEvent(event))) return
        after = next
        onRead?.(next)
        if (events.length < PAGE) await more.promise
      } finally {
        more.forget()
      }
    }
  }

  /** Resolves after the next event; begun before the table is read, so that none is missed. */
  #next(signal: AbortSignal | undefined): { promise: Promise<void>; forget: () => void } {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    promise.catch(() => {})
    const leave = () => reject(signal?.reason)
    signal?.addEventListener('abort', leave, { once: true })
    this.#waiting.add(resolve)
    const forget = () => {
      this.#waiting.delete(resolve)
      signal?.removeEventListener('abort', leave)
    }
    return { promise, forget }
  }

  /** In the next turn: the transaction is over then, and many events wake their readers once. */
  #tell(): void {
    if (this.#telling) return
    this.#telling = true
    setImmediate(() => {
      this.#telling = false
      for (const wake of this.#waiting) wake()
      this.#waiting.clear()
    })
  }
}

function toEvent({ seq, at, sandboxId, type, body }: EventRow): Event {
  return { seq, at, sandboxId, type: type as EventType, data: JSON.parse(body) as EventData }
}

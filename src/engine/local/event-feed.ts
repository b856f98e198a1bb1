import type { EngineEvent } from '../types.ts'

/** A subscriber that is further behind is told to look for itself. */
const MOST_PENDING = 10_000

/** Events for any number of subscribers, each in order from the time it subscribed. */
export class EventFeed {
  readonly #subscribers = new Set<(event: EngineEvent) => void>()

  publish(event: EngineEvent): void {
    for (const tell of this.#subscribers) tell(event)
  }

  /** Until the signal aborts; begins with `resync`: what was before is unknown to the subscriber. */
  async *subscribe(signal: AbortSignal): AsyncGenerator<EngineEvent> {
    let pending: EngineEvent[] = [{ type: 'resync' }]
    let wake = Promise.withResolvers<void>()
    const tell = (event: EngineEvent) => {
      if (pending.length >= MOST_PENDING) pending = [{ type: 'resync' }]
      else pending.push(event)
      wake.resolve()
    }
    const onAbort = () => wake.resolve()
    this.#subscribers.add(tell)
    signal.addEventListener('abort', onAbort)
    try {
      while (!signal.aborted) {
        const batch = pending
        pending = []
        for (const event of batch) {
          yield event
          if (signal.aborted) return
        }
        if (pending.length > 0) continue
        wake = Promise.withResolvers()
        await wake.promise
      }
    } finally {
      this.#subscribers.delete(tell)
      signal.removeEventListener('abort', onAbort)
    }
  }
}

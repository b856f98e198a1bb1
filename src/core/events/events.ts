import type { CallOptions } from '../model.ts'
import type { Registry } from '../registry.ts'
import type { Event, EventPage, EventQuery } from './event.ts'
import type { Journal } from './journal.ts'

/** What has happened, for those who look from outside. Looking is no use of a sandbox. */
export class Events {
  readonly #journal: Journal
  readonly #registry: Registry

  constructor({ journal, registry }: { journal: Journal; registry: Registry }) {
    this.#journal = journal
    this.#registry = registry
  }

  /** SANDBOX_NOT_FOUND: nothing is known of the one that is asked for, not even its end. */
  page(query: EventQuery, limit: number): EventPage {
    this.#requireKnown(query.sandboxId)
    return this.#journal.page(query, limit)
  }

  /**
   * Until the signal aborts, or the one sandbox that is asked for is deleted. `onReady` gets the number after which events follow.
   * A promise that a callback returns is waited for.
   */
  async follow(
    { after = this.#journal.latest, ...filter }: EventQuery,
    { onReady, onEvent }: { onReady: (after: number) => void; onEvent: (event: Event | 'gap') => void | Promise<void> },
    { signal }: CallOptions,
  ): Promise<void> {
    this.#requireKnown(filter.sandboxId)
    onReady(after)
    const take = async (event: Event | 'gap') => {
      await onEvent(event)
      return filter.sandboxId === undefined || event === 'gap' || event.type !== 'sandbox.deleted'
    }
    await this.#journal.follow({ after, ...filter }, take, { signal })
  }

  #requireKnown(id: string | undefined): void {
    if (id === undefined || this.#journal.page({ sandboxId: id }, 1).events.length > 0) return
    this.#registry.require(id)
  }
}

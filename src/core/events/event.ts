/** Types are added, never changed; what each means is in the API's document. */
export type EventType =
  | 'sandbox.created'
  | 'sandbox.create_failed'
  | 'sandbox.started'
  | 'sandbox.stopped'
  | 'sandbox.paused'
  | 'sandbox.resumed'
  | 'sandbox.failed'
  | 'sandbox.updated'
  | 'sandbox.out_of_memory'
  | 'sandbox.adopted'
  | 'sandbox.deleted'
  | 'template.built'
  | 'template.failed'
  | 'template.deleted'
  | 'snapshot.created'
  | 'snapshot.lost'
  | 'snapshot.deleted'
  | 'volume.created'
  | 'volume.lost'
  | 'volume.deleted'
  | 'webhook.disabled'

/** What is told beside the type: whatever a reader needs to act without asking. No environment, no metadata's values. */
export type EventData = Record<string, string | number | boolean | null | string[]>

/** Something that has happened, to be written down with the change that it tells. */
export interface NewEvent {
  type: EventType
  /** null: it concerns no sandbox alone. */
  sandboxId: string | null
  data: EventData
}

export interface Event extends NewEvent {
  /** Grows with each event; not all numbers are used. */
  seq: number
  at: number
}

export interface EventQuery {
  /** Only later ones. Absent: for a page from the oldest that is kept, for following from now on. */
  after?: number | undefined
  sandboxId?: string | undefined
  types?: EventType[] | undefined
}

export interface EventPage {
  events: Event[]
  /** `after` for the next page, also when there is nothing yet. */
  next: number
  /** Some of what was asked for is not kept any more. */
  gap: boolean
}

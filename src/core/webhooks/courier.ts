import { setTimeout as sleep } from 'node:timers/promises'
import { SandboxError } from '../../errors.ts'
import { withDeadline } from '../../lib/deadline.ts'
import type { Store } from '../../store/store.ts'
import type { WebhookProgress } from '../../store/webhooks.ts'
import type { Clock } from '../clock.ts'
import type { Event, EventType } from '../events/event.ts'
import type { Journal } from '../events/journal.ts'
import type { Log } from '../log.ts'
import { eventMessage, gapMessage } from './messages.ts'
import { RETRIES, retryIn } from './retries.ts'
import { signedHeaders } from './signature.ts'
import type { Delivery, Message, Outbound, WebhookDefinition } from './webhook.ts'

export interface CourierParts {
  store: Pick<Store, 'webhooks' | 'transaction'>
  journal: Journal
  outbound: Outbound
  clock: Clock
  log: Log
}

/** Of one try, from the name's resolution to the end of the answer. */
const TRY_LIMIT_MS = 15_000
/** Tries that are kept of each webhook. */
const DELIVERIES_KEPT = 100
/** After a failure of our own, such as a full disk. */
const PAUSE_MS = 5000
/** Events that were passed over until that is written down. */
const PASSED_OVER = 500
const GONE = 410

/** Takes events to one webhook: in order, one at a time, each until it is taken or given up. */
export class Courier {
  readonly #parts: CourierParts
  readonly #definition: WebhookDefinition
  readonly #onDisabled: (reason: string) => void
  readonly #end = new AbortController()
  #running: Promise<void> | null = null
  progress: WebhookProgress

  /** `onDisabled` is called in the transaction that writes the last failure down. */
  constructor(
    parts: CourierParts,
    { definition, progress }: { definition: WebhookDefinition; progress: WebhookProgress },
    onDisabled: (reason: string) => void,
  ) {
    this.#parts = parts
    this.#definition = definition
    this.progress = progress
    this.#onDisabled = onDisabled
  }

  /** Once. */
  start(): void {
    this.#running = this.#run()
  }

  /** What is being sent is cut off, and sent again after the next start. */
  async stop(): Promise<void> {
    this.#end.abort(new SandboxError('SHUTTING_DOWN', 'the server is stopping'))
    await this.#running
  }

  async #run(): Promise<void> {
    const { log } = this.#parts
    const { signal } = this.#end
    while (!signal.aborted) {
      try {
        return await this.#follow(signal)
      } catch (err) {
        if (signal.aborted) return
        log.error({ err, webhook: this.#definition.id }, 'could not go on with a webhook, trying again')
        await sleep(PAUSE_MS, undefined, { signal, ref: false }).catch(() => undefined)
      }
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { id, types } = this.#definition
    const { position: after } = this.progress
    const query = { after, types: types.length > 0 ? (types as EventType[]) : undefined }
    const { journal, clock } = this.#parts
    const take = (event: Event | 'gap') =>
      event === 'gap'
        ? this.#deliver(gapMessage(id, this.progress.position, clock.now()), journal.oldest - 1, signal)
        : this.#deliver(eventMessage(id, event), event.seq, signal)
    await journal.follow(query, take, { signal, onRead: (next) => this.#passOver(next) })
  }

  /** Without it, events of no interest that are not kept any more would be taken for missing ones after a restart. */
  #passOver(next: number): void {
    if (next - this.progress.position < PASSED_OVER) return
    this.progress = { position: next, attempts: 0, nextAt: null }
    this.#parts.store.webhooks.saveProgress(this.#definition.id, this.progress)
  }

  /** Is done with all up to `seq` then. False: it was given up, and the webhook is disabled. */
  async #deliver(message: Message, seq: number, signal: AbortSignal): Promise<boolean> {
    const { clock, store, log } = this.#parts
    const { id } = this.#definition
    for (;;) {
      await this.#waitForTurn(signal)
      const { attempts, position } = this.progress
      const tried = await attempt(this.#parts, this.#definition, message, { attempt: attempts + 1, signal })
      signal.throwIfAborted()
      if (tried.delivered) {
        this.progress = { position: seq, attempts: 0, nextAt: null }
        this.#record(tried)
        return true
      }
      const pause = tried.httpStatus === GONE ? null : retryIn(attempts + 1, tried.retryAfterMs)
      const nextAt = pause === null ? null : clock.now() + pause
      this.progress = { position, attempts: attempts + 1, nextAt }
      if (nextAt === null) {
        const why = `${tried.error}, after ${attempts + 1} of ${RETRIES.length + 1} tries`
        log.warn({ webhook: id, why }, 'a webhook was disabled')
        store.transaction(() => {
          this.#record(tried)
          this.#onDisabled(why)
        })
        return false
      }
      this.#record({ ...tried, nextAt })
    }
  }

  #record({ retryAfterMs: _, ...tried }: Tried): void {
    const { webhooks, transaction } = this.#parts.store
    const { id } = this.#definition
    transaction(() => {
      webhooks.saveProgress(id, this.progress)
      webhooks.addDelivery(id, JSON.stringify(tried), DELIVERIES_KEPT)
    })
  }

  async #waitForTurn(signal: AbortSignal): Promise<void> {
    const { nextAt, attempts } = this.progress
    if (nextAt === null) return
    // Not longer than was meant, should the clock have been set back.
    const longest = 2 * (RETRIES[Math.max(attempts, 1) - 1] ?? 0) + 3_600_000
    const waitMs = Math.min(nextAt - this.#parts.clock.now(), longest)
    if (waitMs > 0) await sleep(waitMs, undefined, { signal, ref: false })
  }
}

type Tried = Omit<Delivery, 'id'> & { retryAfterMs: number | null }

/** One try, and what came of it; never throws. */
export async function attempt(
  { outbound, clock }: Pick<CourierParts, 'outbound' | 'clock'>,
  { url, secrets }: Pick<WebhookDefinition, 'url' | 'secrets'>,
  message: Message,
  { attempt, signal }: { attempt: number; signal: AbortSignal | undefined },
): Promise<Tried> {
  const startedAt = clock.now()
  const began = performance.now()
  const headers = { 'content-type': 'application/json', ...signedHeaders(message, secrets, startedAt) }
  const tooLate = () => new Error(`it did not answer within ${TRY_LIMIT_MS / 1000} s`)
  const about = {
    messageId: message.id,
    eventId: message.eventId,
    type: message.type,
    attempt,
    startedAt,
    nextAt: null,
  }
  const ended = () => ({ ...about, durationMs: Math.round(performance.now() - began) })
  try {
    const { status, retryAfterMs } = await withDeadline(TRY_LIMIT_MS, tooLate, signal, (limit) =>
      outbound.post(url, { headers, body: message.body }, { signal: limit }),
    )
    const delivered = status >= 200 && status < 300
    const error = delivered ? null : `it answered ${status}`
    return { ...ended(), delivered, httpStatus: status, error, retryAfterMs }
  } catch (thrown) {
    return { ...ended(), delivered: false, httpStatus: null, error: (thrown as Error).message, retryAfterMs: null }
  }
}

/** As #record keeps it, for tries outside the order. */
export function keepDelivery({ webhooks }: Pick<Store, 'webhooks'>, webhookId: string, tried: Tried): Delivery {
  const { retryAfterMs: _, ...kept } = tried
  return { ...kept, id: webhooks.addDelivery(webhookId, JSON.stringify(kept), DELIVERIES_KEPT) }
}

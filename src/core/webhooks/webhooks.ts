import { SandboxError } from '../../errors.ts'
import { newWebhookId } from '../../lib/ids.ts'
import type { WebhookProgress } from '../../store/webhooks.ts'
import type { CallOptions } from '../model.ts'
import { attempt, Courier, type CourierParts, keepDelivery } from './courier.ts'
import { testMessage } from './messages.ts'
import { newSecret } from './signature.ts'
import type { Delivery, Webhook, WebhookChange, WebhookDefinition, WebhookRequest } from './webhook.ts'

const MOST_WEBHOOKS = 100
/** How long a replaced secret signs beside the new one. */
const BOTH_SECRETS_MS = 24 * 3_600_000

interface Entry {
  definition: WebhookDefinition
  courier: Courier
}

/** URLs that are told what happens. Each has a courier of its own, which runs while it is enabled. */
export class Webhooks {
  readonly #parts: CourierParts
  readonly #entries = new Map<string, Entry>()
  #open = false

  constructor(parts: CourierParts) {
    this.#parts = parts
    for (const { id, body, position, attempts, nextAt } of parts.store.webhooks.all()) {
      this.#entries.set(id, this.#entry(JSON.parse(body) as WebhookDefinition, { position, attempts, nextAt }))
    }
  }

  /** Goes on where each was. */
  open(): void {
    this.#open = true
    for (const { definition, courier } of this.#entries.values()) if (definition.enabled) courier.start()
  }

  async close(): Promise<void> {
    this.#open = false
    await Promise.all([...this.#entries.values()].map(({ courier }) => courier.stop()))
  }

  list(): Webhook[] {
    return [...this.#entries.values()].map(shown)
  }

  /** WEBHOOK_NOT_FOUND */
  get(id: string): Webhook {
    return shown(this.#require(id))
  }

  /** Durable when it resolves. The secret is not shown again. WEBHOOK_URL_REFUSED, WEBHOOK_LIMIT_REACHED */
  async create(request: WebhookRequest, { signal }: CallOptions): Promise<Webhook & { secret: string }> {
    const { url, types = [], description = '', enabled = true, after, secret = newSecret() } = request
    this.#requireRoom()
    await this.#parts.outbound.check(url, { signal })
    this.#requireRoom()
    const definition: WebhookDefinition = {
      id: newWebhookId(),
      url,
      types: [...new Set(types)],
      description,
      enabled,
      disabledReason: null,
      secrets: [{ value: secret, until: null }],
      createdAt: this.#parts.clock.now(),
    }
    const { latest } = this.#parts.journal
    const entry = this.#put(definition, { position: Math.min(after ?? latest, latest), attempts: 0, nextAt: null })
    return { ...shown(entry), secret }
  }

  /** What failed is tried at once. Durable when it resolves. */
  async change(id: string, change: WebhookChange, { signal }: CallOptions): Promise<Webhook> {
    const { url, types, description, enabled, after } = change
    if (url !== undefined) await this.#parts.outbound.check(url, { signal })
    const { latest } = this.#parts.journal
    const entry = await this.#replace(id, ({ definition, courier: { progress } }) => ({
      definition: {
        ...definition,
        ...(url !== undefined && { url }),
        ...(types !== undefined && { types: [...new Set(types)] }),
        ...(description !== undefined && { description }),
        ...(enabled !== undefined && { enabled, disabledReason: null }),
      },
      progress: { position: Math.min(after ?? progress.position, latest), attempts: 0, nextAt: null },
    }))
    return shown(entry)
  }

  /** A new one, or that of the caller; the one before signs as well for a day. */
  async replaceSecret(id: string, secret = newSecret()): Promise<string> {
    const until = this.#parts.clock.now() + BOTH_SECRETS_MS
    await this.#replace(id, ({ definition, courier: { progress } }) => {
      const last = definition.secrets.slice(-1).map(({ value }) => ({ value, until }))
      return { definition: { ...definition, secrets: [...last, { value: secret, until: null }] }, progress }
    })
    return secret
  }

  async remove(id: string): Promise<void> {
    const { courier } = this.#require(id)
    this.#parts.store.webhooks.remove(id)
    this.#entries.delete(id)
    await courier.stop()
  }

  /** Newest first. */
  deliveries(id: string, limit: number): Delivery[] {
    this.#require(id)
    const rows = this.#parts.store.webhooks.deliveries(id, limit)
    return rows.map(({ seq, body }) => ({ ...(JSON.parse(body) as Omit<Delivery, 'id'>), id: seq }))
  }

  /** Sends a message of type `test` once, now, also where it is disabled. */
  async test(id: string, { signal }: CallOptions): Promise<Delivery> {
    const { definition } = this.#require(id)
    const message = testMessage(id, this.#parts.clock.now())
    const tried = await attempt(this.#parts, definition, message, { attempt: 1, signal })
    signal?.throwIfAborted()
    this.#require(id)
    return keepDelivery(this.#parts.store, id, tried)
  }

  #require(id: string): Entry {
    const entry = this.#entries.get(id)
    if (!entry)
      throw new SandboxError('WEBHOOK_NOT_FOUND', 'no webhook of that id; GET /webhooks lists those there are')
    return entry
  }

  #requireRoom(): void {
    if (this.#entries.size < MOST_WEBHOOKS) return
    throw new SandboxError(
      'WEBHOOK_LIMIT_REACHED',
      `there are ${MOST_WEBHOOKS} webhooks, the most there can be; delete one`,
    )
  }

  /** Puts another in its place, once nothing is under way to it. It stays as it was when that can't be written down. */
  async #replace(id: string, next: (before: Entry) => Pick<Entry, 'definition'> & { progress: WebhookProgress }) {
    for (;;) {
      const before = this.#require(id)
      await before.courier.stop()
      // Another change may have been first.
      if (this.#entries.get(id) !== before) continue
      try {
        const { definition, progress } = next(before)
        return this.#put(definition, progress)
      } catch (error) {
        this.#begin(this.#entry(before.definition, before.courier.progress))
        throw error
      }
    }
  }

  #put(definition: WebhookDefinition, progress: WebhookProgress): Entry {
    const entry = this.#entry(definition, progress)
    this.#save(entry)
    this.#begin(entry)
    return entry
  }

  #begin(entry: Entry): void {
    const { definition, courier } = entry
    this.#entries.set(definition.id, entry)
    if (definition.enabled && this.#open) courier.start()
  }

  #entry(definition: WebhookDefinition, progress: WebhookProgress): Entry {
    const courier = new Courier(this.#parts, { definition, progress }, (reason) => this.#disable(entry, reason))
    const entry: Entry = { definition, courier }
    return entry
  }

  /** Its events wait where they are. */
  #disable(entry: Entry, reason: string): void {
    const { id, url } = entry.definition
    const definition = { ...entry.definition, enabled: false, disabledReason: reason }
    this.#save({ ...entry, definition })
    entry.definition = definition
    this.#parts.journal.append({ type: 'webhook.disabled', sandboxId: null, data: { webhook_id: id, url, reason } })
  }

  #save({ definition, courier: { progress } }: Entry): void {
    this.#parts.store.webhooks.save({ id: definition.id, body: JSON.stringify(definition), ...progress })
  }
}

function shown({ definition, courier }: Entry): Webhook {
  const { secrets: _, ...rest } = definition
  return { ...rest, ...courier.progress }
}

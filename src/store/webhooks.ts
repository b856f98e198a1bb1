import type { Database, Row } from './database.ts'

/** Where a webhook is in the events. */
export interface WebhookProgress {
  /** The last event that is done with. */
  position: number
  /** Failed tries to deliver the next one. */
  attempts: number
  /** When it is tried again; null: at once. */
  nextAt: number | null
}

export interface WebhookRow extends WebhookProgress {
  id: string
  /** JSON. */
  body: string
}

export interface DeliveryRow {
  /** Grows with each. */
  seq: number
  /** JSON. */
  body: string
}

/** Webhooks, and the latest of what was sent to each. */
export interface WebhookTable {
  /** Oldest first. */
  all(): WebhookRow[]
  /** Inserts or replaces. */
  save(row: WebhookRow): void
  saveProgress(id: string, progress: WebhookProgress): void
  /** With its deliveries. */
  remove(id: string): void
  /** Newest first. */
  deliveries(id: string, limit: number): DeliveryRow[]
  /** Keeps the latest `kept` of the webhook. */
  addDelivery(id: string, body: string, kept: number): number
}

export function webhookTable(db: Database): WebhookTable {
  const selectAll = db.prepare('SELECT * FROM webhooks ORDER BY rowid')
  const upsert = db.prepare(
    `INSERT INTO webhooks (id, position, attempts, next_at, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
       SET position = excluded.position, attempts = excluded.attempts, next_at = excluded.next_at, body = excluded.body`,
  )
  const progress = db.prepare('UPDATE webhooks SET position = ?, attempts = ?, next_at = ? WHERE id = ?')
  const remove = db.prepare('DELETE FROM webhooks WHERE id = ?')
  const removeDeliveries = db.prepare('DELETE FROM deliveries WHERE webhook_id = ?')
  const latest = db.prepare('SELECT seq, body FROM deliveries WHERE webhook_id = ? ORDER BY seq DESC LIMIT ?')
  const insert = db.prepare('INSERT INTO deliveries (webhook_id, body) VALUES (?, ?)')
  const prune = db.prepare(
    `DELETE FROM deliveries WHERE webhook_id = ?1 AND seq <=
       (SELECT seq FROM deliveries WHERE webhook_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)`,
  )
  return {
    all: () => selectAll.all().map(toRow),
    save: ({ id, position, attempts, nextAt, body }) => void upsert.run(id, position, attempts, nextAt, body),
    saveProgress: (id, { position, attempts, nextAt }) => void progress.run(position, attempts, nextAt, id),
    remove: (id) =>
      db.transaction(() => {
        removeDeliveries.run(id)
        remove.run(id)
      }),
    deliveries: (id, limit) => latest.all(id, limit).map(({ seq, body }) => ({ seq: Number(seq), body: String(body) })),
    addDelivery: (id, body, kept) =>
      db.transaction(() => {
        const { lastInsertRowid } = insert.run(id, body)
        prune.run(id, kept)
        return lastInsertRowid
      }),
  }
}

function toRow(row: Row): WebhookRow {
  return {
    id: String(row.id),
    position: Number(row.position),
    attempts: Number(row.attempts),
    nextAt: row.next_at === null ? null : Number(row.next_at),
    body: String(row.body),
  }
}

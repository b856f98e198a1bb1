import type { Database, Row } from './database.ts'

export interface EventRow {
  /** Grows by at least one with each event, never used twice. */
  seq: number
  at: number
  /** null: of none alone. */
  sandboxId: string | null
  type: string
  /** JSON. */
  body: string
}

export interface EventFilter {
  /** Events after this one. */
  after: number
  limit: number
  sandboxId?: string | undefined
  types?: readonly string[] | undefined
}

/** What has happened, oldest first; only the latest rows are kept. */
export interface EventTable {
  append(event: Omit<EventRow, 'seq'>): number
  read(filter: EventFilter): EventRow[]
  /** Of the first and the last one that is kept; where there is none, `oldest` is one more than `latest`. */
  bounds(): { oldest: number; latest: number }
  /** Removes all up to this one. */
  prune(upTo: number): void
}

const COLUMNS = 'seq, at, sandbox_id, type, body'

export function eventTable(db: Database): EventTable {
  const insert = db.prepare('INSERT INTO events (at, sandbox_id, type, body) VALUES (?, ?, ?, ?)')
  const all = db.prepare(`SELECT ${COLUMNS} FROM events WHERE seq > ? AND ${OF_TYPE} ORDER BY seq LIMIT ?`)
  const ofOne = db.prepare(
    `SELECT ${COLUMNS} FROM events WHERE sandbox_id = ? AND seq > ? AND ${OF_TYPE} ORDER BY seq LIMIT ?`,
  )
  const oldest = db.prepare('SELECT min(seq) AS seq FROM events')
  const latest = db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
  const prune = db.prepare('DELETE FROM events WHERE seq <= ?')
  return {
    append: ({ at, sandboxId, type, body }) => insert.run(at, sandboxId, type, body).lastInsertRowid,
    read({ after, limit, sandboxId, types }) {
      const wanted = types ? JSON.stringify(types) : null
      const rows =
        sandboxId === undefined
          ? all.all(after, wanted, wanted, limit)
          : ofOne.all(sandboxId, after, wanted, wanted, limit)
      return rows.map(toRow)
    },
    bounds() {
      const last = Number(latest.get()?.seq ?? 0)
      const first = oldest.get()?.seq
      return { oldest: first == null ? last + 1 : Number(first), latest: last }
    },
    prune: (upTo) => void prune.run(upTo),
  }
}

/** Two parameters, the same JSON array or null for all. */
const OF_TYPE = '(? IS NULL OR type IN (SELECT value FROM json_each(?)))'

function toRow(row: Row): EventRow {
  return {
    seq: Number(row.seq),
    at: Number(row.at),
    sandboxId: row.sandbox_id === null ? null : String(row.sandbox_id),
    type: String(row.type),
    body: String(row.body),
  }
}

import type { DatabaseSync } from 'node:sqlite'
import { DamagedDatabase } from './damaged.ts'

/** Step n brings a database from version n to n + 1. Steps are never changed once released, only added. */
const STEPS = [
  `CREATE TABLE sandboxes (
     id TEXT PRIMARY KEY,
     status TEXT NOT NULL,
     last_active_at INTEGER NOT NULL,
     body TEXT NOT NULL
   ) STRICT;`,
  'CREATE TABLE pools (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;',
  `CREATE TABLE idempotency_keys (
     scope TEXT NOT NULL,
     key TEXT NOT NULL,
     fingerprint TEXT NOT NULL,
     made_id TEXT NOT NULL,
     made_at INTEGER NOT NULL,
     PRIMARY KEY (scope, key)
   ) STRICT;
   CREATE INDEX idempotency_keys_made_at ON idempotency_keys (made_at);
   CREATE INDEX idempotency_keys_made_id ON idempotency_keys (made_id);`,
  `CREATE TABLE events (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     at INTEGER NOT NULL,
     sandbox_id TEXT,
     type TEXT NOT NULL,
     body TEXT NOT NULL
   ) STRICT;
   CREATE INDEX events_of_sandbox ON events (sandbox_id, seq) WHERE sandbox_id IS NOT NULL;`,
  `CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
   INSERT INTO meta VALUES ('id', lower(hex(randomblob(16))));`,
  `CREATE TABLE templates (
     name TEXT PRIMARY KEY,
     body TEXT NOT NULL,
     source TEXT
   ) STRICT;
   CREATE TABLE template_builds (
     id TEXT PRIMARY KEY,
     template TEXT NOT NULL,
     body TEXT NOT NULL,
     log TEXT
   ) STRICT;
   CREATE TABLE template_layers (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;`,
  'CREATE TABLE volumes (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;',
  `CREATE TABLE snapshots (
     id TEXT PRIMARY KEY,
     body TEXT NOT NULL,
     changes TEXT
   ) STRICT;`,
  `CREATE TABLE webhooks (
     id TEXT PRIMARY KEY,
     position INTEGER NOT NULL,
     attempts INTEGER NOT NULL,
     next_at INTEGER,
     body TEXT NOT NULL
   ) STRICT;
   CREATE TABLE deliveries (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     webhook_id TEXT NOT NULL,
     body TEXT NOT NULL
   ) STRICT;
   CREATE INDEX deliveries_of_webhook ON deliveries (webhook_id, seq);`,
]

export const NEWEST_VERSION = STEPS.length

/** Steps there will never be: a number above is damage. */
const MOST_STEPS = 10_000

export const versionOf = (db: DatabaseSync) => Number(db.prepare('PRAGMA user_version').get()?.user_version)

/** Brings the database to the newest version, each step in a transaction. Refuses one made by a newer server. */
export function migrate(db: DatabaseSync): void {
  const version = versionOf(db)
  if (version < 0 || version > MOST_STEPS) throw new DamagedDatabase(`its version is ${version}`)
  if (version > STEPS.length) {
    throw new Error(
      `the database has version ${version}, this server knows ${STEPS.length}; start the newer server again`,
      { cause: version },
    )
  }
  for (const [index, step] of STEPS.entries()) {
    if (index < version) continue
    db.exec(`BEGIN; ${step} PRAGMA user_version = ${index + 1}; COMMIT`)
  }
}

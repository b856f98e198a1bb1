import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { Registry } from '../../../src/core/registry.ts'
import { openStore } from '../../../src/store/store.ts'
import { journal } from '../core/records.ts'
import { folder, open } from './data-folder.ts'

const FIRST = readFileSync(new URL('../../fixtures/database-v1.sql', import.meta.url), 'utf8')

function databaseOf(sql: string): string {
  const dataDir = folder()
  const db = new DatabaseSync(join(dataDir, 'k2.db'))
  db.exec(sql)
  db.close()
  return dataDir
}

test('a database of the first version opens and works, with every row', () => {
  const dataDir = databaseOf(FIRST)
  const store = open(dataDir)
  expect(store.found).toEqual({ kind: 'whole' })
  const registry = new Registry({ store, journal })
  expect(registry.all()).toMatchObject([
    {
      id: '0a1b2c3d4e5f6g7h8i9j',
      name: 'kept',
      status: 'stopped',
      metadata: { team: 'search' },
      envs: { A: '1' },
      onTimeout: 'stop',
      lastActiveAt: 1_795_500_000_000,
      autoResume: false,
      maxLifetimeSeconds: null,
      deletedBy: null,
    },
  ])
  registry.update('0a1b2c3d4e5f6g7h8i9j', { status: 'failed' })
  const key = { scope: 'a', key: 'b', fingerprint: 'c', madeId: 'd', madeAt: 1 }
  store.keys.save(key)
  expect(store.keys.find('a', 'b')).toEqual(key)
})

test('each version on the way opens, too, and twice is once', () => {
  const dataDir = databaseOf(FIRST)
  openStore(dataDir).close()
  const db = new DatabaseSync(join(dataDir, 'k2.db'))
  const { user_version: newest } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  db.close()
  expect(newest).toBeGreaterThan(1)
  expect(open(dataDir).sandboxes.all()).toHaveLength(1)
})

test('a database of a newer server is refused with a sentence, and left as it is', () => {
  const dataDir = databaseOf(`${FIRST} PRAGMA user_version = 999;`)
  for (let n = 0; n < 2; n++) {
    expect(() => openStore(dataDir)).toThrow(/has version 999, this server knows \d+; start the newer server again/)
  }
})

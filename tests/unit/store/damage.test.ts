import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { foundReport } from '../../../src/core/found-report.ts'
import { instanceSecret } from '../../../src/store/secret.ts'
import { openStore } from '../../../src/store/store.ts'
import { crashed, cut, fill, folder, open, overwrite, sizeOf } from './data-folder.ts'

const idsOf = (store: ReturnType<typeof open>) => store.sandboxes.all().map(({ id }) => id)
const PAGE = 4096

test('what a killed server leaves is whole, log included', () => {
  const { dataDir, ids, later } = crashed()
  const store = open(dataDir)
  expect(store.found).toEqual({ kind: 'whole' })
  expect(idsOf(store)).toEqual([...ids, ...later])
  expect(foundReport(store.found, { adopted: 0, missing: 0 })).toBeNull()
})

test('an empty folder is new, and says nothing', () => {
  const store = open(folder())
  expect(store.found).toEqual({ kind: 'new' })
})

describe('a damaged database is kept aside and made anew', () => {
  test.each<[string, (dataDir: string) => void]>([
    ['truncated to a half', (dataDir) => cut(dataDir, Math.floor(sizeOf(dataDir) / 2 / PAGE) * PAGE)],
    ['truncated within a page', (dataDir) => cut(dataDir, sizeOf(dataDir) - 1000)],
    ['truncated to its header', (dataDir) => cut(dataDir, 100)],
    ['all zeros', (dataDir) => overwrite(dataDir, 'k2.db', 0, Buffer.alloc(sizeOf(dataDir)))],
    ['all random', (dataDir) => overwrite(dataDir, 'k2.db', 0, randomBytes(sizeOf(dataDir)))],
    ['random bytes in the middle', (dataDir) => overwrite(dataDir, 'k2.db', 8 * PAGE, randomBytes(3 * PAGE))],
    ['a text', (dataDir) => writeFileSync(join(dataDir, 'k2.db'), 'not a database at all\n'.repeat(100))],
    ['of an impossible version', (dataDir) => overwrite(dataDir, 'k2.db', 60, Buffer.from([0x7f, 1, 2, 3]))],
  ])('%s', (_, damage) => {
    const { dataDir, ids, later } = crashed()
    // The log has whole pages of its own, which would mend some of it.
    openStore(dataDir).close()
    damage(dataDir)
    const store = open(dataDir)
    const { found } = store
    if (found.kind !== 'damaged') throw new Error(`found ${JSON.stringify(found)}`)
    expect(found.why).not.toBe('')
    expect(existsSync(join(dataDir, found.keptAs))).toBe(true)
    expect([...ids, ...later]).toEqual(expect.arrayContaining(idsOf(store)))
    expect(found.rows.sandboxes ?? 0).toBe(idsOf(store).length)
    const report = foundReport(found, { adopted: 2, missing: 1 })
    expect(report).toContain(found.keptAs)
    expect(report).toContain('2 sandboxes were found by labels alone')
    fill(store, 1)
    expect(readdirSync(dataDir).filter((name) => name.includes('copy'))).toEqual([])
  })

  test('with what can be read of it, from both ends', () => {
    const { dataDir, ids } = crashed()
    openStore(dataDir).close()
    const at = readFileSync(join(dataDir, 'k2.db')).indexOf(`"id":"${ids[30]}"`)
    overwrite(dataDir, 'k2.db', Math.floor(at / PAGE) * PAGE, randomBytes(PAGE))
    const store = open(dataDir)
    const read = idsOf(store)
    expect(read.length).toBeGreaterThan(50)
    expect(read).not.toContain(ids[30])
    expect(read.length).toBeLessThan(ids.length + 5)
    expect(read).toContain(ids[0])
  })

  test('twice in one second keeps both', () => {
    const { dataDir } = crashed()
    for (let n = 0; n < 2; n++) {
      writeFileSync(join(dataDir, 'k2.db'), 'nothing')
      openStore(dataDir).close()
    }
    expect(readdirSync(dataDir).filter((name) => /^k2\.db\.damaged-[\dTZ]+(-2)?$/.test(name))).toHaveLength(2)
  })
})

describe('the write-ahead log', () => {
  test('is missing: the database is older, and says so', () => {
    const { dataDir, ids } = crashed()
    rmSync(join(dataDir, 'k2.db-wal'))
    const store = open(dataDir)
    expect(store.found).toEqual({ kind: 'older', why: 'its write-ahead log is missing' })
    expect(idsOf(store)).toEqual(ids)
    expect(foundReport(store.found, { adopted: 5, missing: 0 })).toContain('5 sandboxes')
  })

  test.each<[string, (dataDir: string) => void]>([
    ['is empty', (dataDir) => cut(dataDir, 0, 'k2.db-wal')],
    ['has another header', (dataDir) => overwrite(dataDir, 'k2.db-wal', 0, randomBytes(32))],
    ['is zeroed', (dataDir) => overwrite(dataDir, 'k2.db-wal', 0, Buffer.alloc(sizeOf(dataDir, 'k2.db-wal')))],
    ['is damaged in the middle', (dataDir) => overwrite(dataDir, 'k2.db-wal', 32 + 24 + 500, randomBytes(64))],
  ])('%s: the same', (_, damage) => {
    const { dataDir, ids } = crashed()
    damage(dataDir)
    const store = open(dataDir)
    expect(store.found).toMatchObject({ kind: 'older' })
    expect(idsOf(store)).toEqual(expect.arrayContaining(ids))
  })

  test('is of another server: neither database is taken for the other', () => {
    const [ours, other] = [crashed(), crashed()]
    cpSync(join(other.dataDir, 'k2.db-wal'), join(ours.dataDir, 'k2.db-wal'))
    const store = open(ours.dataDir)
    expect(store.found).toMatchObject({ kind: 'damaged' })
    expect(idsOf(store).filter((id) => [...other.ids, ...other.later].includes(id))).toEqual([])
  })

  test('a cut last commit was never answered: all is whole', () => {
    const { dataDir, ids, later } = crashed()
    cut(dataDir, sizeOf(dataDir, 'k2.db-wal') - 10, 'k2.db-wal')
    const store = open(dataDir)
    expect(store.found).toEqual({ kind: 'whole' })
    expect(idsOf(store)).toEqual([...ids, ...later.slice(0, -1)])
  })
})

test('a database that is gone, or emptied, is missing; a log without it is kept aside', () => {
  for (const lose of [rmSync, (file: string) => writeFileSync(file, '')]) {
    const { dataDir } = crashed()
    lose(join(dataDir, 'k2.db'))
    const store = open(dataDir)
    expect(store.found).toEqual({ kind: 'missing' })
    expect(idsOf(store)).toEqual([])
    expect(readdirSync(dataDir).some((name) => /^k2\.db\.stray-.*-wal$/.test(name))).toBe(true)
  }
})

test('whatever bytes change, a start gets a database that it can write to', () => {
  const origin = crashed()
  openStore(origin.dataDir).close()
  for (let round = 0; round < 60; round++) {
    const dataDir = folder()
    cpSync(origin.dataDir, dataDir, { recursive: true })
    const length = 1 + Math.floor(Math.random() * 200)
    overwrite(dataDir, 'k2.db', Math.floor(Math.random() * sizeOf(dataDir)), randomBytes(length))
    const store = openStore(dataDir)
    expect(() => store.sandboxes.all()).not.toThrow()
    fill(store, 1)
    store.close()
  }
})

describe('the secret', () => {
  const secretOf = (dataDir: string) => instanceSecret(dataDir, open(dataDir).meta)

  test('is the same at each start', () => {
    const dataDir = folder()
    const first = openStore(dataDir)
    const secret = instanceSecret(dataDir, first.meta)
    first.close()
    expect(secretOf(dataDir)).toEqual(secret)
  })

  test.each<[string, (file: string) => void, RegExp]>([
    ['missing', (file) => rmSync(file), /secret is missing.*npm run restore/],
    ['emptied', (file) => writeFileSync(file, ''), /secret is damaged/],
    ['no hex', (file) => writeFileSync(file, 'z'.repeat(64)), /secret is damaged/],
    ['another', (file) => writeFileSync(file, 'a'.repeat(64)), /not the secret that this database was used with/],
  ])('%s: the start is refused, and says what to do', (_, lose, sentence) => {
    const { dataDir } = crashed()
    lose(join(dataDir, 'secret'))
    expect(() => secretOf(dataDir)).toThrow(sentence)
  })
})

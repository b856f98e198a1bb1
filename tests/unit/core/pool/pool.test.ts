import { expect, test } from 'vitest'
import { isMadeFor, type PoolDefinition, sameContainers } from '../../../../src/core/pool/definition.ts'
import { Pool } from '../../../../src/core/pool/pool.ts'
import type { SandboxRecord } from '../../../../src/core/record.ts'
import { FakeClock, record } from '../records.ts'

const RESOURCES = { cpus: 1, memoryMb: 1024, pids: 512, diskMb: null }
const DEFINITION: PoolDefinition = {
  name: 'some',
  template: 'image:1',
  size: 2,
  network: 'internet',
  resources: RESOURCES,
  prestart: [],
}
const IMAGE = { imageId: 'sha256:0' }

function ready(change: Partial<SandboxRecord> = {}): SandboxRecord {
  const pooled = {
    pool: 'some',
    fingerprint: 'f',
    asked: { cwd: '/home/user', user: 'user' },
    fixed: null,
    prestarted: [],
  }
  return record({ status: 'ready', template: 'image:1', pooled, ...change })
}

function poolOf(...waiting: SandboxRecord[]) {
  const clock = new FakeClock()
  const pool = new Pool(DEFINITION, { clock, idleMs: 60_000 })
  for (const one of waiting) expect(pool.add(one)).toBe(true)
  return { pool, clock }
}

test('the one that got ready first is the first to go; one that was put back goes first again', () => {
  const [first, second] = [ready(), ready()]
  const { pool } = poolOf(first, second)
  const wanted = record()
  expect(pool.take(IMAGE, wanted)).toBe(first)
  expect(pool.putBack(first)).toBe(true)
  expect([pool.take(IMAGE, wanted), pool.take(IMAGE, wanted), pool.take(IMAGE, wanted)]).toEqual([
    first,
    second,
    undefined,
  ])
})

test('one that has ended counts no more, and is not given away', () => {
  const [first, second] = [ready(), ready()]
  const { pool } = poolOf(first, second)
  expect(pool.isShort).toBe(false)
  first.status = 'deleting'
  expect(pool.isShort).toBe(true)
  expect(pool.state().ready).toBe(1)
  expect(pool.take(IMAGE, record())).toBe(second)
})

test('a pool that was removed or is another now takes nobody back', () => {
  const { pool } = poolOf()
  const one = ready()
  expect(pool.redefine({ ...DEFINITION, size: 5 })).toEqual([])
  expect(pool.add(one)).toBe(true)
  expect(pool.redefine({ ...DEFINITION, network: 'none' })).toEqual([one])
  expect(pool.putBack(one)).toBe(false)
  expect(pool.add(ready({ network: 'none' }))).toBe(true)
  expect(pool.remove()).toHaveLength(1)
  expect(pool.add(ready({ network: 'none' }))).toBe(false)
})

test.each([
  ['another pool', { pooled: { ...ready().pooled, pool: 'other' } }],
  ['another image', { template: 'image:2' }],
  ['another network', { network: 'none' }],
  ['other limits', { resources: { ...RESOURCES, memoryMb: 512 } }],
  ['another disk', { resources: { ...RESOURCES, diskMb: 100 } }],
  ['a language that is not wanted', { pooled: { ...ready().pooled, prestarted: ['python'] } }],
  ['somebody', { pooled: null }],
] as [string, Partial<SandboxRecord>][])('one that was made for %s is not of it', (_, change) => {
  expect(isMadeFor(ready(), DEFINITION)).toBe(true)
  expect(isMadeFor(ready(change), DEFINITION)).toBe(false)
  expect(poolOf().pool.add(ready(change))).toBe(false)
})

test('only name and size may change without making all anew', () => {
  expect(sameContainers(DEFINITION, { ...DEFINITION, name: 'b', size: 9 })).toBe(true)
  expect(sameContainers(DEFINITION, { ...DEFINITION, prestart: ['python'] })).toBe(false)
})

test('failures are waited out, each twice as long and at most a minute; a success ends that', () => {
  const { pool, clock } = poolOf()
  for (const waitMs of [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]) {
    pool.asked()
    pool.failed('no')
    clock.ms += waitMs - 1
    pool.asked()
    expect(pool).toMatchObject({ wantsOne: false, isShort: true })
    clock.ms += 1
    expect(pool.wantsOne).toBe(true)
  }
  expect(pool.state().fault).toBe('no')
  pool.made()
  expect(pool.state().fault).toBeNull()
  pool.failed('again')
  clock.ms += 1000
  expect(pool.wantsOne).toBe(true)
})

test('nobody asks for long enough: it keeps none, until somebody does', () => {
  const { pool, clock } = poolOf(ready(), ready())
  clock.ms += 59_999
  expect(pool.target).toBe(2)
  clock.ms += 1
  expect([pool.target, pool.state().drained]).toEqual([0, true])
  pool.asked()
  expect([pool.target, pool.state().drained]).toEqual([2, false])
})

test('one that runs something already is for those alone that would run the same in the same place', () => {
  const startup = { command: ['serve'], ready: null } as unknown as SandboxRecord['startup']
  const { pool } = poolOf(ready({ startup }))
  expect(pool.take(IMAGE, record())).toBeUndefined()
  expect(pool.take(IMAGE, record({ startup, envs: { A: 'b' } }))).toBeUndefined()
  expect(pool.take(IMAGE, record({ startup, cwd: '/srv' }))).toBeUndefined()
  expect(pool.take({ imageId: 'sha256:1' }, record({ startup }))).toBeUndefined()
  expect(pool.take(IMAGE, record({ startup }))).toBeDefined()
})

test('one that is silent once is only doubted, and twice in a row is one too many', () => {
  const one = ready()
  const { pool } = poolOf(one)
  expect(pool.doubt(one)).toBe(false)
  pool.trust(one)
  expect([pool.doubt(one), pool.doubt(one)]).toEqual([false, true])
})

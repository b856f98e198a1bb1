import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Activity } from '../../../src/core/activity.ts'
import { Expiry } from '../../../src/core/expiry.ts'
import type { SandboxRecord } from '../../../src/core/record.ts'
import { Registry } from '../../../src/core/registry.ts'
import { FakeClock, journal, record, temporaryStore } from './records.ts'

const SILENT = { info() {}, warn() {}, error() {}, debug() {} }

function world(...records: SandboxRecord[]) {
  const { store, reopen } = temporaryStore()
  const clock = new FakeClock()
  const registry = new Registry({ store, journal })
  for (const one of records) registry.add(one)
  const activity = new Activity({ registry, clock })
  const ended: string[] = []
  const ending = { next: Promise.resolve() as Promise<void> }
  const end = (one: SandboxRecord) => {
    ended.push(one.id)
    return ending.next
  }
  const expiry = new Expiry({ registry, activity, clock, log: SILENT, end })
  const later = (seconds: number) => {
    clock.ms += seconds * 1000
    expiry.look()
  }
  return {
    clock,
    registry,
    activity,
    expiry,
    ended,
    ending,
    later,
    restarted: () => new Registry({ store: reopen(), journal }),
  }
}

test('a sandbox ends when nobody has used it for its timeout, not a moment before', () => {
  const one = record({ timeoutSeconds: 60 })
  const { ended, later } = world(one)
  later(59.999)
  expect(ended).toEqual([])
  later(0.001)
  expect(ended).toEqual([one.id])
})

test('each use begins the time anew', () => {
  const one = record({ timeoutSeconds: 60 })
  const { activity, ended, later } = world(one)
  later(50)
  activity.touch(one)
  later(59)
  expect(ended).toEqual([])
  later(1)
  expect(ended).toEqual([one.id])
})

test('a sandbox does not age while it is used, and has its whole time from the end of the last use', () => {
  const one = record({ timeoutSeconds: 60 })
  const { activity, ended, later } = world(one)
  const long = activity.use(one)
  const short = activity.use(one)
  later(1000)
  short[Symbol.dispose]()
  short[Symbol.dispose]()
  later(1000)
  expect(activity.expiresAt(one)).toBeNull()
  expect(ended).toEqual([])
  long[Symbol.dispose]()
  later(59)
  expect(ended).toEqual([])
  later(1)
  expect(ended).toEqual([one.id])
})

test.each(['creating', 'paused', 'stopped', 'deleting'] as const)('a sandbox that is %s does not expire', (status) => {
  const { ended, later } = world(record({ status }))
  later(1_000_000)
  expect(ended).toEqual([])
})

test.each(['running', 'failed'] as const)('a sandbox that is %s expires', (status) => {
  const one = record({ status })
  const { ended, later } = world(one)
  later(300)
  expect(ended).toEqual([one.id])
})

test.each(['running', 'paused', 'stopped', 'failed'] as const)(
  'a sandbox that is %s ends with its longest life, used or not',
  (status) => {
    const one = record({ status, timeoutSeconds: 300, maxLifetimeSeconds: 60 })
    const { activity, ended, later } = world(one)
    using _use = activity.use(one)
    later(59.999)
    expect(ended).toEqual([])
    expect(activity.expiresAt(one)).toBe(one.createdAt + 60_000)
    later(0.001)
    expect(ended).toEqual([one.id])
  },
)

test('of timeout and longest life, what comes first is told', () => {
  const one = record({ timeoutSeconds: 30, maxLifetimeSeconds: 60 })
  const { activity, clock } = world(one)
  expect(activity.expiresAt(one)).toBe(one.lastActiveAt + 30_000)
  clock.ms += 40_000
  activity.touch(one)
  expect(activity.expiresAt(one)).toBe(one.createdAt + 60_000)
})

test('a slow end is not begun twice, a failed one is tried again', async () => {
  const one = record({ timeoutSeconds: 1 })
  const { ended, ending, later } = world(one)
  const { promise, reject } = Promise.withResolvers<void>()
  ending.next = promise
  later(1)
  later(1)
  expect(ended).toHaveLength(1)
  reject(new Error('the engine is away'))
  await turn()
  later(1)
  expect(ended).toHaveLength(2)
})

describe('activity times', () => {
  test('are written behind, and are what counts after a restart', () => {
    const one = record()
    const { clock, activity, restarted } = world(one)
    clock.ms += 5000
    activity.touch(one)
    activity.flush()
    expect(restarted().require(one.id).lastActiveAt).toBe(clock.ms)
  })

  test('are written by close', () => {
    const one = record()
    const { clock, activity, restarted } = world(one)
    clock.ms += 5000
    activity.use(one)[Symbol.dispose]()
    activity.close()
    expect(restarted().require(one.id).lastActiveAt).toBe(clock.ms)
  })

  test('of a sandbox that was removed meanwhile are forgotten', () => {
    const one = record()
    const { registry, activity, restarted } = world(one)
    activity.touch(one)
    registry.remove(one.id)
    activity.flush()
    expect(restarted().all()).toEqual([])
  })
})

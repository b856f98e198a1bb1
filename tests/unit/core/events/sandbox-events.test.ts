import { describe, expect, test } from 'vitest'
import { eventOf } from '../../../../src/core/events/sandbox-events.ts'
import type { RecordStatus, SandboxRecord } from '../../../../src/core/record.ts'
import { record } from '../records.ts'

const typeOf = (was: RecordStatus | null, now: RecordStatus, change: Partial<SandboxRecord> = {}) =>
  eventOf(was && record({ status: was }), record({ status: now, ...change }))?.type ?? null

describe('every change of status has its event, and those that nobody sees have none', () => {
  test.each<[RecordStatus | null, RecordStatus, string | null]>([
    [null, 'creating', null],
    ['creating', 'running', 'created'],
    ['ready', 'running', 'created'],
    ['ready', 'creating', null],
    ['creating', 'deleting', 'create_failed'],
    ['running', 'paused', 'paused'],
    ['paused', 'running', 'resumed'],
    ['running', 'stopped', 'stopped'],
    ['stopped', 'running', 'started'],
    ['failed', 'running', 'started'],
    ['running', 'failed', 'failed'],
    ['stopped', 'deleting', 'deleted'],
    ['deleting', 'deleting', null],
    [null, 'running', 'adopted'],
    [null, 'warming', null],
    ['warming', 'ready', null],
    ['warming', 'deleting', null],
    ['ready', 'deleting', null],
    ['building', 'deleting', null],
  ])('%s to %s: %s', (was, now, type) => {
    expect(typeOf(was, now)).toBe(type && `sandbox.${type}`)
  })
})

test('what callers can change is named, what only the server keeps is not told', () => {
  const before = record()
  const after = { ...before, metadata: { a: '1' }, network: 'none', egress: [], envs: { SECRET: 'x' } } as SandboxRecord
  const event = eventOf(before, after)
  expect(event).toMatchObject({ type: 'sandbox.updated', data: { changed: ['metadata', 'network', 'egress'] } })
  expect(JSON.stringify(event)).not.toContain('SECRET')
  expect(eventOf(before, { ...before, lastActiveAt: 1, stopping: true, identity: null })).toBeNull()
})

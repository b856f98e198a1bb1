import { describe, expect, test } from 'vitest'
import { Registry } from '../../../src/core/registry.ts'
import { journal, record, temporaryStore } from './records.ts'

function registryOf(...records: ReturnType<typeof record>[]) {
  const { store, reopen } = temporaryStore()
  const registry = new Registry({ store, journal })
  for (const one of records) registry.add(one)
  return { registry, restarted: () => new Registry({ store: reopen(), journal }) }
}

describe('durability', () => {
  test('what was added and changed is there after a restart, member by member', () => {
    const one = record({ name: 'one', metadata: { a: '1', __proto: 'x' }, envs: { KEY: 'ü\n' } })
    const { registry, restarted } = registryOf(one)
    registry.update(one.id, { status: 'stopped', reason: 'why', timeoutSeconds: 7 })
    expect(restarted().require(one.id)).toEqual({ ...one, status: 'stopped', reason: 'why', timeoutSeconds: 7 })
  })

  test('what was removed stays removed', () => {
    const one = record()
    const { registry, restarted } = registryOf(one)
    registry.remove(one.id)
    expect(restarted().all()).toEqual([])
  })

  test('what was under way when it was deleted does not bring it back', () => {
    const one = record()
    const { registry, restarted } = registryOf(one)
    registry.update(one.id, { status: 'deleting', deletedBy: 'request' })
    registry.update(one.id, { status: 'paused', deletedBy: 'timeout', ref: 'known by now' })
    for (const each of [registry, restarted()])
      expect(each.find(one.id)).toMatchObject({ status: 'deleting', deletedBy: 'request', ref: 'known by now' })
  })

  test('activity times survive, newer than the rest of the record', () => {
    const one = record()
    const { registry, restarted } = registryOf(one)
    registry.require(one.id).lastActiveAt = 1_800_000_000_000
    registry.saveActivity([one.id, 'gone0000000000000000'])
    expect(restarted().require(one.id).lastActiveAt).toBe(1_800_000_000_000)
  })

  test('a change that could not be written is not seen either', () => {
    const one = record()
    const { registry } = registryOf(one)
    const broken = { ...one.metadata, bad: 1n } as unknown as Record<string, string>
    expect(() => registry.update(one.id, { status: 'failed', metadata: broken })).toThrow(TypeError)
    expect(registry.require(one.id)).toMatchObject({ status: 'running', metadata: {} })
  })
})

describe('names', () => {
  test('a name that is in use is refused, and free again when its sandbox is being deleted', () => {
    const first = record({ name: 'web' })
    const { registry } = registryOf(first)
    expect(() => registry.add(record({ name: 'web' }))).toThrowError(expect.objectContaining({ code: 'NAME_TAKEN' }))
    registry.update(first.id, { status: 'deleting' })
    const second = record({ name: 'web' })
    registry.add(second)
    registry.remove(first.id)
    expect(registry.hasName('web')).toBe(true)
    expect(() => registry.requireFreeName('web')).toThrowError(expect.objectContaining({ code: 'NAME_TAKEN' }))
  })

  test('after a restart only names of sandboxes that are there are taken', () => {
    const kept = record({ name: 'kept' })
    const going = record({ name: 'going', status: 'deleting' })
    const again = registryOf(kept, going).restarted()
    expect(again.hasName('kept')).toBe(true)
    expect(again.hasName('going')).toBe(false)
  })
})

describe('what is being deleted', () => {
  test('is not found and not counted, but still known', () => {
    const one = record({ status: 'deleting' })
    const { registry } = registryOf(one)
    expect(() => registry.require(one.id)).toThrowError(expect.objectContaining({ code: 'SANDBOX_NOT_FOUND' }))
    expect(registry.page({ limit: 10 }).records).toEqual([])
    expect(registry.size).toBe(0)
    expect(registry.find(one.id)).toMatchObject({ id: one.id })
  })

  test('changes of what is not there any more do nothing', () => {
    const { registry } = registryOf()
    expect(registry.update('gone0000000000000000', { status: 'stopped' })).toBeUndefined()
    expect(() => registry.remove('gone0000000000000000')).not.toThrow()
  })
})

describe('pages', () => {
  /** 25 sandboxes, five of each of five milliseconds. */
  const many = () => Array.from({ length: 25 }, (_, index) => record({ createdAt: 1_700_000_000_000 + (index % 5) }))

  test('together hold every sandbox once, in order of creation, also when many were made in one millisecond', () => {
    const { registry } = registryOf(...many())
    const seen: string[] = []
    let cursor: string | undefined
    for (let page = 0; page < 9; page++) {
      const { records, nextCursor } = registry.page({ limit: 3, cursor })
      seen.push(...records.map(({ id }) => id))
      cursor = nextCursor ?? undefined
      expect(nextCursor === null).toBe(page === 8)
    }
    const times = seen.map((id) => registry.require(id).createdAt)
    expect(times).toEqual([...times].sort())
    expect(new Set(seen).size).toBe(25)
  })

  test('a page whose last sandbox is the last of all has no next one', () => {
    const { registry } = registryOf(...many())
    expect(registry.page({ limit: 25 })).toMatchObject({ records: { length: 25 }, nextCursor: null })
  })

  test('the sandbox that a cursor was made of may be gone', () => {
    const { registry } = registryOf(...many())
    const first = registry.page({ limit: 10 })
    registry.remove(first.records[9]?.id ?? '')
    expect(registry.page({ limit: 100, cursor: first.nextCursor ?? '' }).records).toHaveLength(15)
  })

  test.each([
    '',
    'x',
    'MTpub3QtYW4taWQ',
    Buffer.from('1:ABCDEFGHIJABCDEFGHIJ').toString('base64url'),
    Buffer.from('-1:aaaaaaaaaaaaaaaaaaaa').toString('base64url'),
  ])('a cursor that no list gave is refused: %j', (cursor) => {
    const { registry } = registryOf(record())
    expect(() => registry.page({ limit: 1, cursor })).toThrowError(expect.objectContaining({ code: 'INVALID_REQUEST' }))
  })
})

describe('filters', () => {
  const a = record({ name: 'a', metadata: { team: 'x', tier: '1' }, template: 'python:3.13' })
  const b = record({ status: 'stopped', metadata: { team: 'x' } })
  const c = record({ metadata: {} })

  test.each([
    [{ status: 'stopped' as const }, [b]],
    [{ status: 'failed' as const }, []],
    [{ template: 'python:3.13' }, [a]],
    [{ template: 'python' }, []],
    [{ name: 'a' }, [a]],
    [{ name: 'nobody' }, []],
    [{ metadata: { team: 'x' } }, [a, b]],
    [{ metadata: { team: 'x', tier: '1' } }, [a]],
    [{ metadata: { team: 'y' } }, []],
    [{ metadata: { toString: 'x' } }, []],
    [{ status: 'running' as const, metadata: { team: 'x' } }, [a]],
  ])('%j', (filter, expected) => {
    const { registry } = registryOf({ ...a }, { ...b }, { ...c })
    const found = registry.page({ limit: 100, ...filter }).records.map(({ id }) => id)
    expect(found.sort()).toEqual(expected.map(({ id }) => id).sort())
  })
})

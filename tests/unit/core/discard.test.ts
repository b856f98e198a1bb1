import { expect, test } from 'vitest'
import { discard } from '../../../src/core/discard.ts'
import { LiveSandboxes } from '../../../src/core/live.ts'
import { Registry } from '../../../src/core/registry.ts'
import { Removals } from '../../../src/core/removals.ts'
import type { Engine } from '../../../src/engine/types.ts'
import { SandboxError } from '../../../src/errors.ts'
import { KeyedLock } from '../../../src/lib/keyed-lock.ts'
import { journal, record, temporaryStore } from './records.ts'

const SILENT = { info() {}, warn() {}, error() {}, debug() {} }

/** A server whose disk is full from `fill` on. */
function world(one: ReturnType<typeof record>) {
  const { store } = temporaryStore()
  let full = false
  const save: typeof store.sandboxes.save = (row) => {
    if (full) throw new SandboxError('DISK_FULL', 'full')
    store.sandboxes.save(row)
  }
  const registry = new Registry({ store: { ...store, sandboxes: { ...store.sandboxes, save } }, journal })
  const removed: string[] = []
  const engine = { remove: async (id: string) => void removed.push(id) } as unknown as Engine
  const removals = new Removals({ engine, registry, locks: new KeyedLock(), log: SILENT })
  registry.add(one)
  return { registry, removals, removed, live: new LiveSandboxes({ engine }), fill: () => (full = true) }
}

test.each(['creating', 'warming', 'ready', 'building'] as const)(
  'one that is %s goes with a full disk too: nobody was told of it',
  async (status) => {
    const one = record({ status, name: 'half' })
    const { fill, removed, ...parts } = world(one)
    fill()
    discard(parts, one, 'create_failed')
    expect(() => parts.registry.require(one.id)).toThrow('Sandbox not found')
    expect(parts.registry.hasName('half')).toBe(false)
    await parts.removals.settle(1000)
    expect(removed).toEqual([one.id])
  },
)

test('the delete of one that its caller knows is refused where it can not be written down', () => {
  const one = record()
  const { fill, removed, ...parts } = world(one)
  fill()
  expect(() => discard(parts, one, 'request')).toThrow('full')
  expect(parts.registry.require(one.id).status).toBe('running')
  expect(removed).toEqual([])
})

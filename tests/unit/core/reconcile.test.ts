import { expect, test } from 'vitest'
import { LiveSandboxes } from '../../../src/core/live.ts'
import { reconcile } from '../../../src/core/reconcile.ts'
import { type SandboxRecord, toLabel } from '../../../src/core/record.ts'
import { Registry } from '../../../src/core/registry.ts'
import { Removals } from '../../../src/core/removals.ts'
import type { Engine, EngineSandbox, EngineStatus } from '../../../src/engine/types.ts'
import { SandboxError } from '../../../src/errors.ts'
import { KeyedLock } from '../../../src/lib/keyed-lock.ts'
import { FakeClock, journal, record, temporaryStore } from './records.ts'

const SILENT = { info() {}, warn() {}, error() {}, debug() {} }

function onEngine(one: SandboxRecord, status: EngineStatus = 'running'): EngineSandbox {
  return { id: one.id, ref: one.ref ?? '', status, record: toLabel(one), exitCode: null, outOfMemory: false }
}

/** The engine holds `there`; its list shows `listed`, which may be older. */
function world({
  records = [],
  there,
  listed = there,
  late = [],
}: {
  records?: SandboxRecord[]
  there: EngineSandbox[]
  listed?: EngineSandbox[]
  /** What the engine says first when it is asked for one. */
  late?: EngineSandbox[]
}) {
  const held = new Map(there.map((sandbox) => [sandbox.id, sandbox]))
  const engine = {
    list: async () => listed,
    inspect: async (id: string) => {
      const found = held.get(id)
      if (!found) throw new SandboxError('SANDBOX_NOT_FOUND', 'gone')
      return late.shift() ?? found
    },
    remove: async (id: string) => void held.delete(id),
    stop: async (id: string) => void held.set(id, { ...(held.get(id) as EngineSandbox), status: 'stopped' }),
    connect: async () => {
      throw new SandboxError('AGENT_UNAVAILABLE', 'no agent here')
    },
    resolveTemplate: async (reference: string) => ({
      reference,
      imageId: 'i',
      env: { LANG: 'C' },
      user: null,
      workdir: null,
      volumes: [],
    }),
  } as unknown as Engine
  const registry = new Registry({ store: temporaryStore().store, journal })
  for (const one of records) registry.add(one)
  const locks = new KeyedLock()
  const removals = new Removals({ engine, registry, locks, log: SILENT })
  const parts = {
    engine,
    registry,
    journal,
    templates: {
      resolve: async (reference: string) => ({
        template: await engine.resolveTemplate(reference),
        defaults: {},
        startup: null,
      }),
    },
    live: new LiveSandboxes({ engine }),
    removals,
    locks,
    clock: new FakeClock(),
    log: SILENT,
    stopGraceMs: 1,
  }
  const run = async (atStart: boolean) => {
    await reconcile(parts, { atStart })
    await removals.settle(1000)
  }
  return { run, registry, held }
}

test('a sandbox of ours without a record is adopted as it is', async () => {
  const one = record({ name: 'web' })
  const { run, registry } = world({ there: [onEngine(one, 'stopped')] })
  await run(true)
  expect(registry.require(one.id)).toMatchObject({
    name: 'web',
    status: 'stopped',
    ref: one.ref,
    imageEnv: { LANG: 'C' },
  })
})

test('an adopted sandbox does not take a name that another has', async () => {
  const mine = record({ name: 'web' })
  const found = record({ name: 'web' })
  const { run, registry } = world({ records: [mine], there: [onEngine(mine), onEngine(found)] })
  await run(true)
  expect(registry.require(found.id).name).toBeNull()
})

test('what was removed after the list was made is not adopted', async () => {
  const gone = record()
  const { run, registry } = world({ there: [], listed: [onEngine(gone)] })
  await run(false)
  expect(registry.all()).toEqual([])
})

test('a create that was cut off is removed at start, whether its container was started or not', async () => {
  const made = record({ status: 'creating', ref: null })
  const started = record({ status: 'creating' })
  const { run, registry, held } = world({
    records: [made, started],
    there: [onEngine(made, 'created'), onEngine(started)],
  })
  await run(true)
  expect(registry.all()).toEqual([])
  expect([...held.keys()]).toEqual([])
})

test('a container that was made but never started, and that no record knows, is removed', async () => {
  const half = record()
  const { run, registry, held } = world({ there: [onEngine(half, 'created')] })
  await run(false)
  expect(registry.all()).toEqual([])
  expect(held.size).toBe(0)
})

test('a create under way is left alone', async () => {
  const now = record({ status: 'creating' })
  const { run, registry, held } = world({ records: [now], there: [onEngine(now, 'created')] })
  await run(false)
  expect(registry.find(now.id)).toMatchObject({ status: 'creating' })
  expect(held.size).toBe(1)
})

test('a delete that was answered is finished', async () => {
  const one = record({ status: 'deleting' })
  const { run, registry, held } = world({ records: [one], there: [onEngine(one)] })
  await run(true)
  expect(registry.all()).toEqual([])
  expect(held.size).toBe(0)
})

test('what the engine has no more is failed and says why; what it stopped is stopped', async () => {
  const missing = record()
  const ended = record()
  const { run, registry } = world({
    records: [missing, ended],
    there: [{ ...onEngine(ended, 'stopped'), exitCode: 137, outOfMemory: true }],
  })
  await run(true)
  expect(registry.require(missing.id)).toMatchObject({
    status: 'failed',
    reason: expect.stringContaining('removed outside'),
  })
  expect(registry.require(ended.id)).toMatchObject({
    status: 'stopped',
    reason: expect.stringContaining('out of memory'),
  })
})

test('a pause from outside is seen; one that the engine tells of late, when it is over, is not', async () => {
  const frozen = record()
  const { run, registry } = world({ records: [frozen], there: [onEngine(frozen, 'paused')] })
  await run(false)
  expect(registry.require(frozen.id).status).toBe('paused')
  const resumed = record()
  const after = world({
    records: [resumed],
    there: [onEngine(resumed)],
    listed: [onEngine(resumed, 'paused')],
    late: [onEngine(resumed, 'paused')],
  })
  await after.run(false)
  expect(after.registry.require(resumed.id).status).toBe('running')
})

test('a stop that was cut off is finished', async () => {
  const one = record({ status: 'running', stopping: true })
  const { run, registry, held } = world({ records: [one], there: [onEngine(one)] })
  await run(true)
  expect(held.get(one.id)?.status).toBe('stopped')
  expect(registry.require(one.id)).toMatchObject({ status: 'stopped', stopping: false, reason: null })
})

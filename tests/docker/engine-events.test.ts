import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EngineEvent } from '../../src/engine/types.ts'
import { execIn, type Harness, openHarness } from './engine-harness.ts'

let harness: Harness

beforeAll(async () => {
  harness = await openHarness()
})
afterAll(() => harness[Symbol.asyncDispose]())

/** Collects events; resolves when the stream stands. */
async function collect(): Promise<{ events: EngineEvent[]; end: () => Promise<void> }> {
  const controller = new AbortController()
  const events: EngineEvent[] = []
  const stands = Promise.withResolvers<void>()
  const reading = (async () => {
    for await (const event of harness.engine.events({ signal: controller.signal })) {
      events.push(event)
      if (event.type === 'resync') stands.resolve()
    }
  })()
  await stands.promise
  return {
    events,
    end: () => {
      controller.abort()
      return reading
    },
  }
}

test('what happens to a sandbox is told in order, and nothing of other containers', async () => {
  const { engine, sandbox, docker } = harness
  const { events, end } = await collect()
  const { id, ref } = await sandbox()
  await engine.pause(id, ref)
  await engine.resume(id, ref)
  await docker.getContainer(ref).kill()
  await expect.poll(() => events.some(({ type }) => type === 'died')).toBe(true)
  await docker.getContainer(ref).remove({ force: true })
  await expect.poll(() => events.some(({ type }) => type === 'removed')).toBe(true)
  expect(events).toEqual([
    { type: 'resync' },
    { type: 'started', id, ref },
    { type: 'paused', id, ref },
    { type: 'resumed', id, ref },
    { type: 'died', id, ref, exitCode: 137, outOfMemory: false },
    { type: 'removed', id, ref },
  ])
  await engine.remove(id, ref)
  await end()
})

test('a process that the kernel kills for its memory is told, and the sandbox lives on', async () => {
  const { engine, sandbox } = harness
  const { events, end } = await collect()
  const { id, ref } = await sandbox()
  expect(() => execIn(ref, 'sh', '-c', 'exec tail /dev/zero')).toThrow(expect.objectContaining({ status: 137 }))
  await expect.poll(() => events.map(({ type }) => type)).toContain('outOfMemory')
  expect(await engine.inspect(id, ref)).toMatchObject({ status: 'running' })
  await engine.stop(id, ref)
  await expect
    .poll(() => events.find(({ type }) => type === 'died'))
    .toMatchObject({ exitCode: 137, outOfMemory: false })
  await engine.remove(id, ref)
  await end()
})

test('the stream ends with its signal, and with the engine', async () => {
  const { end } = await collect()
  await end()
  const engine = harness.another()
  const reading = Array.fromAsync(engine.events({ signal: new AbortController().signal }))
  await engine.close()
  await reading
})

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EngineEvent, SandboxSpec, Template } from '../../src/engine/types.ts'
import { ask, type Harness, openHarness } from './engine-harness.ts'
import { canRunOwnEngine, type OwnEngine, startOwnEngine } from './own-engine.ts'

/** The engine has no image at all, so its sandboxes are of the empty one that `open` imports. */
describe.skipIf(!canRunOwnEngine())('an engine that is stopped and started under the server', () => {
  let own: OwnEngine
  let harness: Harness
  let template: Template
  const fresh = (): Promise<SandboxSpec> => harness.spec({ template })

  beforeAll(async () => {
    own = await startOwnEngine()
    harness = await openHarness({ dockerHost: own.host })
    template = await harness.engine.resolveTemplate('k2-scratch:1')
  })
  afterAll(async () => {
    await harness?.[Symbol.asyncDispose]()
    await own?.[Symbol.asyncDispose]()
  })

  test('works on an engine without any image or registry', async () => {
    const { engine } = harness
    const made = await fresh()
    const { ref } = await engine.create(made)
    await engine.start(made.id, ref)
    expect(await ask(await engine.connect(made.id, ref), '/v1/info')).toMatchObject({ status: 200 })
    await engine.remove(made.id, ref)
  })

  test('calls fail with ENGINE_UNAVAILABLE while it is away, sandboxes stay reachable, and all recovers by itself', async () => {
    const { engine } = harness
    const made = await fresh()
    const { ref } = await engine.create(made)
    await engine.start(made.id, ref)
    const controller = new AbortController()
    const events: EngineEvent[] = []
    const reading = (async () => {
      for await (const event of engine.events({ signal: controller.signal })) events.push(event)
    })()
    await expect.poll(() => events.map(({ type }) => type)).toEqual(['resync'])

    await own.stop()
    const away = expect.objectContaining({
      code: 'ENGINE_UNAVAILABLE',
      details: { retryAfterSeconds: expect.any(Number) },
    })
    await expect(engine.list()).rejects.toEqual(away)
    await expect(engine.inspect(made.id, ref)).rejects.toEqual(away)
    await expect(engine.stop(made.id, ref)).rejects.toEqual(away)
    await expect(engine.remove(made.id, ref)).rejects.toEqual(away)
    await expect(engine.create({ ...made, id: 'n'.repeat(20) })).rejects.toEqual(away)
    await expect(engine.open()).rejects.toEqual(away)
    // Answered from memory until the loss of the image events is seen.
    const resolved = () =>
      engine.resolveTemplate('k2-scratch:1').then(
        () => 'resolved',
        (error: unknown) => error,
      )
    await expect.poll(resolved).toEqual(away)
    // The dial link needs no engine.
    expect(await ask(await engine.connect(made.id, ref), '/v1/info')).toMatchObject({ status: 200 })

    await own.start()
    await expect.poll(() => events.at(-1)?.type, { timeout: 10_000 }).toBe('resync')
    expect(new Set(events.slice(1, -1).map(({ type }) => type))).toEqual(new Set(['lost']))
    expect(await engine.inspect(made.id, ref)).toMatchObject({ status: 'running' })
    const next = await fresh()
    const { ref: nextRef } = await engine.create(next)
    await engine.start(next.id, nextRef)
    expect(await ask(await engine.connect(next.id, nextRef), '/v1/info')).toMatchObject({ status: 200 })
    await engine.remove(next.id, nextRef)
    await engine.remove(made.id, ref)
    await expect.poll(() => events.at(-1)).toEqual({ type: 'removed', id: made.id, ref })
    controller.abort()
    await reading
  })

  test('an agent volume that was emptied or half filled is filled again before it is used', async () => {
    const { engine, docker } = harness
    const made = await fresh()
    const { ref } = await engine.create(made)
    const { Mounts } = await docker.getContainer(ref).inspect()
    const volume = Mounts.find(({ Type }) => Type === 'volume')?.Name ?? ''
    const writer = await docker.createContainer({
      Image: 'k2-scratch:1',
      Cmd: ['/x'],
      HostConfig: { NetworkMode: 'none', Mounts: [{ Type: 'volume', Source: volume, Target: '/.k2' }] },
    })
    const half = (await import('tar-stream')).pack()
    half.entry({ name: 'agent', mode: 0o555 }, 'half an agent')
    half.finalize()
    await writer.putArchive(Buffer.concat(await Array.fromAsync(half as AsyncIterable<Buffer>)), { path: '/.k2' })
    await writer.remove()
    await engine.start(made.id, ref)
    expect(await ask(await engine.connect(made.id, ref), '/v1/info')).toMatchObject({ status: 200 })

    await engine.remove(made.id, ref)
    await docker.getVolume(volume).remove()
    const next = await fresh()
    const { ref: nextRef } = await engine.create(next)
    await engine.start(next.id, nextRef)
    expect(await ask(await engine.connect(next.id, nextRef), '/v1/info')).toMatchObject({ status: 200 })
    await engine.remove(next.id, nextRef)
  })
})

import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LinkKind } from '../../src/engine/docker/options.ts'
import type { SandboxError } from '../../src/errors.ts'
import { ask, execIn, type Harness, IMAGE, openHarness } from './engine-harness.ts'

describe.for(['dial', 'exec'] satisfies LinkKind[])('link %s', (link) => {
  let harness: Harness

  beforeAll(async () => {
    harness = await openHarness({ link })
  })
  afterAll(() => harness[Symbol.asyncDispose]())

  test('a sandbox is made, started, asked, stopped, started again and removed', async () => {
    const { engine, spec, dataDir } = harness
    const made = await spec()
    const { ref, fixed } = await engine.create(made)
    expect(fixed).toBeNull()
    expect(await engine.inspect(made.id, ref)).toMatchObject({ status: 'created', record: made.record, exitCode: null })
    await engine.start(made.id, ref)
    await engine.start(made.id, ref)
    expect(await ask(await engine.connect(made.id, ref), '/v1/info')).toMatchObject({ status: 200 })
    await engine.stop(made.id, ref)
    await engine.stop(made.id, ref)
    expect(await engine.inspect(made.id, ref)).toMatchObject({ status: 'stopped', exitCode: 137, outOfMemory: false })
    expect(await engine.list()).toContainEqual(
      expect.objectContaining({ id: made.id, ref, status: 'stopped', exitCode: 137 }),
    )
    await engine.start(made.id, ref)
    expect(await ask(await engine.connect(made.id, ref), '/v1/info')).toMatchObject({ status: 200 })
    await engine.remove(made.id, ref)
    await engine.remove(made.id, ref)
    await expect(engine.inspect(made.id, ref)).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' })
    expect(existsSync(join(dataDir, 'run', made.id))).toBe(false)
  })

  test('limits change while it runs and hold after a start; memory in use is not taken away', async () => {
    const { engine, sandbox, docker } = harness
    const { id, ref } = await sandbox()
    const limits = { cpus: 0.5, memoryMb: 300, pids: 222, diskMb: null }
    await engine.update(id, ref, limits)
    expect((await docker.getContainer(ref).inspect()).HostConfig).toMatchObject({ NanoCpus: 5e8, PidsLimit: 222 })
    // cgroup v2, else v1
    const most = () => execIn(ref, 'sh', '-c', 'cd /sys/fs/cgroup; cat memory.max || cat memory/memory.limit_in_bytes')
    expect(Number(most())).toBe(300 << 20)
    await engine.stop(id, ref)
    await engine.start(id, ref)
    expect(Number(most())).toBe(300 << 20)
    execIn(ref, 'sh', '-c', 'head -c 15000000 /dev/zero > /dev/shm/held')
    await expect(engine.update(id, ref, { ...limits, memoryMb: 12 })).rejects.toMatchObject({
      code: 'SANDBOX_STATE_CONFLICT',
    })
    await engine.remove(id, ref)
  })

  test('after a loss of the connection a new one reaches the same agent', async () => {
    const { engine, sandbox } = harness
    const { id, ref } = await sandbox()
    const before = await ask(await engine.connect(id, ref), '/v1/info')
    const after = await ask(await engine.connect(id, ref), '/v1/info')
    expect(JSON.parse(after.body).boot_id).toBe(JSON.parse(before.body).boot_id)
    await engine.remove(id, ref)
  })

  test('closed connections leave no process behind in the sandbox', async () => {
    const { engine, sandbox, docker } = harness
    const { id, ref } = await sandbox()
    for (let round = 0; round < 3; round++) await ask(await engine.connect(id, ref), '/v1/info')
    await expect.poll(async () => (await docker.getContainer(ref).top()).Processes.length, { timeout: 5000 }).toBe(1)
    await engine.remove(id, ref)
  })

  test('a new server reaches running and stopped sandboxes of the one before, also under another link', async () => {
    const { engine, sandbox, another } = harness
    const running = await sandbox()
    const stopped = await sandbox()
    await engine.stop(stopped.id, stopped.ref)
    await engine.close()
    const next = another({ link: link === 'dial' ? 'exec' : 'dial' })
    await next.open()
    expect((await next.list()).map(({ id }) => id)).toEqual(expect.arrayContaining([running.id, stopped.id]))
    expect(await ask(await next.connect(running.id, running.ref), '/v1/info')).toMatchObject({ status: 200 })
    await next.start(stopped.id, stopped.ref)
    expect(await ask(await next.connect(stopped.id, stopped.ref), '/v1/info')).toMatchObject({ status: 200 })
    await next.remove(running.id, null)
    await next.remove(stopped.id, stopped.ref)
    harness.engine = next
  })

  test('a paused sandbox is resumed, stopped and removed', async () => {
    const { engine, sandbox } = harness
    const { id, ref } = await sandbox()
    await engine.pause(id, ref)
    expect(await engine.inspect(id, ref)).toMatchObject({ status: 'paused' })
    await expect(engine.pause(id, ref)).rejects.toMatchObject({ code: 'SANDBOX_STATE_CONFLICT' })
    await engine.resume(id, ref)
    await expect(engine.resume(id, ref)).rejects.toMatchObject({ code: 'SANDBOX_STATE_CONFLICT' })
    await engine.pause(id, ref)
    await engine.stop(id, ref)
    expect(await engine.inspect(id, ref)).toMatchObject({ status: 'stopped' })
    await expect(engine.pause(id, ref)).rejects.toMatchObject({ code: 'SANDBOX_STATE_CONFLICT' })
    await expect(engine.connect(id, ref)).rejects.toMatchObject({ code: 'SANDBOX_STATE_CONFLICT' })
    await engine.remove(id, ref)
  })

  test('removing works while a sandbox is being created and started, and from many sides at once', async () => {
    const { engine, spec, dataDir } = harness
    const creating = await spec()
    const create = engine.create(creating)
    await engine.remove(creating.id, null)
    const { ref: created } = await create
    const start = engine.start(creating.id, created).catch((error: unknown) => error)
    await Promise.all([1, 2, 3, 4].map(() => engine.remove(creating.id, created)))
    expect(await start).toMatchObject({
      code: expect.stringMatching(/SANDBOX_NOT_FOUND|SANDBOX_START_FAILED|SANDBOX_STATE_CONFLICT/),
    })
    expect((await engine.list()).map(({ id }) => id)).not.toContain(creating.id)
    expect(existsSync(join(dataDir, 'run', creating.id))).toBe(false)
  })

  test('a create that is given up leaves nothing behind', async () => {
    const { engine, spec, docker, instance, dataDir } = harness
    const made = await spec()
    const reason = new Error('the client left')
    const controller = new AbortController()
    const create = engine.create(made, { signal: controller.signal })
    setImmediate(() => controller.abort(reason))
    await expect(create).rejects.toBe(reason)
    await engine.remove(made.id, null)
    const filters = { label: [`k2.instance=${instance}`, `k2.id=${made.id}`] }
    expect(await docker.listContainers({ all: true, filters })).toEqual([])
    expect(existsSync(join(dataDir, 'run', made.id))).toBe(false)
  })

  test('a sandbox whose agent ends at once says so, with what it printed', async () => {
    const { engine, spec } = harness
    const made = await spec()
    const { ref } = await engine.create({ ...made, resources: { ...made.resources, pids: 4 } })
    const failure = await engine
      .start(made.id, ref)
      .then(() => engine.connect(made.id, ref))
      .then((stream) => ask(stream, '/v1/info'))
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: 'SANDBOX_START_FAILED',
      details: { output: expect.stringMatching(/^runtime: failed to create new OS thread/) },
    })
    expect((failure as SandboxError).details.output?.length).toBeLessThan(9000)
    await engine.remove(made.id, ref)
  })

  test('open leaves no probe behind, and takes away what a crashed one left', async () => {
    const { another, dataDir, docker, instance } = harness
    const engine = another({ link })
    await engine.open()
    const filters = { label: [`k2.instance=${instance}`, 'k2.kind=probe'] }
    expect(await docker.listContainers({ all: true, filters })).toEqual([])
    expect(readdirSync(join(dataDir, 'run')).filter((name) => name.startsWith('probe'))).toEqual([])
    await engine.close()
  })

  test('inside, neither the link nor the agent can be written by anybody', async () => {
    const { engine, sandbox, dataDir } = harness
    const { id, ref } = await sandbox()
    expect(() => execIn(ref, 'sh', '-c', 'touch /.k2/x')).toThrow(/Read-only/)
    if (link === 'dial') {
      expect(() => execIn(ref, 'sh', '-c', 'touch /.k2run/x')).toThrow(/Read-only/)
      expect(() => execIn(ref, 'sh', '-c', 'rm /.k2run/link.sock')).toThrow(/Read-only/)
      expect(statSync(join(dataDir, 'run', id)).mode & 0o777).toBe(0o700)
    }
    expect(execIn(ref, 'stat', '-c', '%a %u', '/.k2run').trim()).toBe('700 0')
    expect(execIn(ref, 'sh', '-c', 'tr "\\0" "\\n" </proc/1/environ || true')).not.toMatch(/K2_AGENT_TOKEN=[0-9a-f]/)
    await engine.remove(id, ref)
  })
})

describe('on any link', () => {
  let harness: Harness

  beforeAll(async () => {
    harness = await openHarness()
  })
  afterAll(() => harness[Symbol.asyncDispose]())

  test('only containers with a right signature are ours, whatever their labels say', async () => {
    const { engine, docker, instance, sandbox } = harness
    const { id, ref } = await sandbox()
    const { Config } = await docker.getContainer(ref).inspect()
    const forged = await docker.createContainer({
      Image: IMAGE,
      Cmd: ['true'],
      Labels: { ...Config.Labels, 'k2.id': 'forged00000000000000' },
      HostConfig: { NetworkMode: 'none' },
    })
    const other = await docker.createContainer({
      Image: IMAGE,
      Cmd: ['true'],
      Labels: { 'k2.instance': instance },
      HostConfig: { NetworkMode: 'none' },
    })
    try {
      expect((await engine.list()).map((one) => one.id)).toEqual([id])
      await expect(engine.inspect('forged00000000000000', forged.id)).rejects.toMatchObject({
        code: 'SANDBOX_NOT_FOUND',
      })
      await engine.remove('forged00000000000000', null)
      await expect(forged.inspect()).resolves.toMatchObject({ Id: forged.id })
    } finally {
      await forged.remove({ force: true })
      await other.remove({ force: true })
      await engine.remove(id, ref)
    }
  })

  test('ids that are no ids, and ids of nothing, are SANDBOX_NOT_FOUND', async () => {
    const { engine } = harness
    for (const id of ['../../x', 'a%00b', '']) {
      await expect(engine.remove(id, null)).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' })
    }
    const nothing = 'f'.repeat(64)
    const id = 'n'.repeat(20)
    await expect(engine.start(id, nothing)).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' })
    await expect(engine.stop(id, nothing)).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' })
    await expect(engine.inspect(id, nothing)).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' })
    await expect(engine.connect(id, nothing)).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' })
    await engine.remove(id, nothing)
  })

  test('the network internet has names and no way to other sandboxes; none has no network at all', async () => {
    const { engine, sandbox, docker, instance } = harness
    const [alone, one, two] = [
      await sandbox(),
      await sandbox({ network: 'internet' }),
      await sandbox({ network: 'internet' }),
    ]
    expect(execIn(alone.ref, 'ls', '/sys/class/net').trim()).toBe('lo')
    const address = (await docker.getContainer(two.ref).inspect()).NetworkSettings.Networks[`k2-${instance}`]?.IPAddress
    expect(address).toMatch(/^\d+\./)
    expect(execIn(one.ref, 'cat', '/etc/resolv.conf')).toContain('nameserver 127.0.0.11')
    expect(() => execIn(one.ref, 'bash', '-c', `timeout 1 bash -c ': </dev/tcp/${address}/1'`)).toThrow(
      expect.objectContaining({ status: 124 }),
    )
    for (const { id, ref } of [alone, one, two]) await engine.remove(id, ref)
  })

  test('a network or an agent volume that vanished is made again by the next start', async () => {
    const { engine, docker, instance, spec } = harness
    const made = await spec({ network: 'internet' })
    await docker.getNetwork(`k2-${instance}`).remove()
    const first = await engine.create(made)
    await engine.start(made.id, first.ref)
    await engine.stop(made.id, first.ref)
    await docker.getNetwork(`k2-${instance}`).remove({ force: true } as object)
    await engine.start(made.id, first.ref)
    expect(await ask(await engine.connect(made.id, first.ref), '/v1/info')).toMatchObject({ status: 200 })
    await engine.remove(made.id, first.ref)
  })

  test('an image that was removed since it was resolved is TEMPLATE_NOT_FOUND', async () => {
    const { engine, spec } = harness
    const made = await spec()
    const template = { ...made.template, imageId: `sha256:${'0'.repeat(64)}` }
    await expect(engine.create({ ...made, template })).rejects.toMatchObject({ code: 'TEMPLATE_NOT_FOUND' })
    expect((await engine.list()).map(({ id }) => id)).not.toContain(made.id)
  })
})

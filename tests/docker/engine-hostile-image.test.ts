import { afterAll, beforeAll, expect, test } from 'vitest'
import { ensureImage, HOSTILE_ID, HOSTILE_IMAGE } from '../setup/images.ts'
import { ask, execIn, type Harness, openHarness } from './engine-harness.ts'

let harness: Harness

beforeAll(async () => {
  harness = await openHarness()
  await ensureImage(harness.docker, HOSTILE_IMAGE)
})
afterAll(() => harness[Symbol.asyncDispose]())

test('an image that brings labels, health check, volumes, ports, user and environment of its own changes nothing', async () => {
  const { engine, docker, spec, sandbox } = harness
  const template = await engine.resolveTemplate(HOSTILE_IMAGE)
  const before = (await docker.listVolumes()).Volumes.map(({ Name }) => Name)
  const made = await spec({ template })
  const { id, ref } = await sandbox({ ...made, id: made.id })
  expect(await ask(await engine.connect(id, ref), '/v1/info')).toMatchObject({ status: 200 })
  expect((await engine.list()).map((one) => one.id)).not.toContain(HOSTILE_ID)
  const info = await docker.getContainer(ref).inspect()
  expect(info.Config).toMatchObject({
    User: '0',
    WorkingDir: '/',
    Entrypoint: ['/.k2/agent'],
    StopSignal: 'SIGKILL',
    Healthcheck: { Test: ['NONE'] },
  })
  expect(info.State.Health).toBeUndefined()
  expect(Object.values(info.NetworkSettings.Ports ?? {}).filter(Boolean)).toEqual([])
  expect(info.Mounts.filter(({ Type }) => Type === 'volume').map(({ Destination }) => Destination)).toEqual(['/.k2'])
  expect(execIn(ref, '/usr/bin/stat', '-f', '-c', '%T', '/data').trim()).toBe('tmpfs')
  expect(execIn(ref, '/usr/bin/env')).not.toMatch(/nonexistent|http2debug|crash|K2_AGENT_TOKEN=0{64}/)
  await engine.remove(id, ref)
  expect(
    (await docker.listVolumes()).Volumes.map(({ Name }) => Name).filter(
      (name) => !before.includes(name) && !name.startsWith('k2-agent-'),
    ),
  ).toEqual([])
})

test('labels of an image do not make its containers ours', async () => {
  const { engine, docker, instance } = harness
  const container = await docker.createContainer({
    Image: HOSTILE_IMAGE,
    Labels: { 'k2.instance': instance, 'k2.kind': 'sandbox', 'k2.link': 'dial', 'k2.record': '' },
    HostConfig: { NetworkMode: 'none' },
  })
  try {
    expect((await engine.list()).map((one) => one.id)).not.toContain(HOSTILE_ID)
    await engine.remove(HOSTILE_ID, null)
    await expect(container.inspect()).resolves.toMatchObject({ Id: container.id })
  } finally {
    await container.remove({ force: true, v: true })
  }
})

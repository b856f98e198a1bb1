import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { EventPage } from '../../schemas/event.ts'
import type { SandboxCreate } from '../../schemas/sandbox.ts'
import type { VolumeCreate, VolumeInfo, VolumeList } from '../../schemas/volume.ts'
import { unique } from '../support/api.ts'
import { containerOf } from '../support/engine.ts'
import { useEngine, useServer } from '../support/live.ts'
import { waitFor } from '../support/wait-for.ts'

const live = useServer()
const { docker } = useEngine()
const sandboxes: string[] = []

const make = (body: Partial<VolumeCreate> = {}): Promise<VolumeInfo> =>
  live.api.json('POST', '/volumes', { name: unique('volume'), ...body })
const look = (name: string): Promise<VolumeInfo> => live.api.json('GET', `/volumes/${name}`)
const create = async (body: SandboxCreate): Promise<string> => {
  const { sandbox_id } = await live.api.create(body)
  sandboxes.push(sandbox_id)
  return sandbox_id
}
const onEngine = async () =>
  (await docker.listVolumes({ filters: { label: [`k2.instance=${live.server.instance}`] } })).Volumes.filter(
    ({ Name }) => Name.startsWith('k2-data-'),
  )

afterEach(async () => {
  for (const id of sandboxes.splice(0)) await live.api.send('DELETE', `/sandboxes/${id}`)
  for (const { name } of (await live.api.json<VolumeList>('GET', '/volumes')).volumes)
    await live.api.json('DELETE', `/volumes/${name}`)
  await waitFor('the volumes to be off the engine', async () => (await onEngine()).length === 0)
})

test('what is written in one sandbox is there in another, at once and after the first is gone', async () => {
  const { name, ...made } = await make({ labels: { team: 'a' } })
  expect(made).toMatchObject({ status: 'ready', size_mb: null, used_by: [], labels: { team: 'a' } })
  const volumes = [{ name, path: '/srv/shared' }]
  const [one, other] = await Promise.all([
    create({ volumes }),
    create({ volumes: [{ ...volumes[0], read_only: true }] as never, user: 'root' }),
  ])
  expect(await live.api.get(one)).toMatchObject({ volumes: [{ name, path: '/srv/shared', read_only: false }] })
  // Every user may write, and its root is the ordinary user's.
  expect(await live.api.output(one, 'echo kept > /srv/shared/file; stat -c "%u:%g %a" /srv/shared')).toBe(
    '1000:1000 777',
  )
  expect(await live.api.read(other, '/srv/shared/file')).toBe('kept\n')
  expect((await live.api.command(other, 'echo no > /srv/shared/file')).stderr).toContain('Read-only')
  expect((await look(name)).used_by.sort()).toEqual([one, other].sort())
  await live.api.delete(one)
  await live.api.action(other, 'restart')
  expect(await live.api.read(other, '/srv/shared/file')).toBe('kept\n')
  expect(await live.api.refused('DELETE', `/volumes/${name}`)).toMatchObject({
    status: 409,
    code: 'VOLUME_IN_USE',
    detail: expect.stringContaining(other),
  })
  // Also for one that is stopped, whose files are read without its agent.
  await live.api.action(other, 'stop')
  expect(await live.api.read(other, '/srv/shared/file')).toBe('kept\n')
  expect(
    await live.api.refused('POST', `/sandboxes/${other}/filesystem`, {
      action: 'write',
      path: '/srv/shared/a',
      content: '',
    }),
  ).toMatchObject({ code: 'PATH_REFUSED', detail: expect.stringContaining('is a volume') })
  expect((await live.api.refused('DELETE', `/volumes/${name}`)).code).toBe('VOLUME_IN_USE')
  await live.api.delete(other)
  // At once, while the containers are still being removed.
  expect(await live.api.json('DELETE', `/volumes/${name}`)).toEqual({ name, status: 'deleted' })
  expect(await live.api.refused('GET', `/volumes/${name}`)).toMatchObject({ status: 404, code: 'VOLUME_NOT_FOUND' })
})

test('a name is there once, and free again after a delete', async () => {
  const { name } = await make()
  expect(await live.api.refused('POST', '/volumes', { name })).toMatchObject({ status: 409, code: 'VOLUME_EXISTS' })
  await live.api.json('DELETE', `/volumes/${name}`)
  expect((await make({ name })).used_by).toEqual([])
  for (const bad of ['', 'A', '-a', 'a/b', '..', 'x'.repeat(64), '/etc'])
    expect(await live.api.refused('POST', '/volumes', { name: bad })).toMatchObject({ code: 'VALIDATION_FAILED' })
  // Nothing of the engine's can be asked for.
  for (const more of [
    { driver: 'local' },
    { driver_opts: { device: '/etc', o: 'bind', type: 'none' } },
    { size_mb: 0 },
  ])
    expect(await live.api.refused('POST', '/volumes', { name: 'a', ...more })).toMatchObject({
      code: 'VALIDATION_FAILED',
    })
})

describe('a place that can not be one is refused', () => {
  test.each([
    '/',
    '//',
    '/proc',
    '/proc/1',
    '/sys/fs',
    '/dev/shm',
    '/.k2',
    '/.k2/agent',
    '/.k2run',
    '/etc',
    '/etc/passwd',
    'data',
    '/data/',
    '/a/../b',
    '/a/./b',
    '/a//b',
    '/a\nb',
    `/${'x'.repeat(300)}`,
  ])('%j', async (path) => {
    const problem = await live.api.refused('POST', '/sandboxes', { volumes: [{ name: 'none', path }] })
    expect(problem).toMatchObject({ status: 422, code: 'VALIDATION_FAILED' })
    expect(problem.errors?.[0]?.loc.map(String)).toEqual(['body', 'volumes', '0', 'path'])
  })

  test('twice, or in each other; and volumes that there are not', async () => {
    const { name } = await make()
    const refused = async (...paths: string[]) =>
      (await live.api.refused('POST', '/sandboxes', { volumes: paths.map((path) => ({ name, path })) })).code
    expect(await refused('/data', '/data')).toBe('VALIDATION_FAILED')
    expect(await refused('/data', '/data/more')).toBe('VALIDATION_FAILED')
    expect(await refused('/data/more', '/data')).toBe('VALIDATION_FAILED')
    const volumes = [{ name: 'not-there', path: '/data' }]
    expect(await live.api.refused('POST', '/sandboxes', { volumes })).toMatchObject({ code: 'VOLUME_NOT_FOUND' })
    expect((await live.api.list()).sandboxes).toEqual([])
  })
})

test('volumes and what is in them outlive a crash and the loss of the database; half-made ones are gone', async () => {
  const { name } = await make({ size_mb: 1, labels: { a: 'b' } })
  const id = await create({ volumes: [{ name, path: '/data' }] })
  await live.api.write(id, '/data/file', 'kept')
  await live.api.output(id, 'head -c 2097152 /dev/zero > /data/large')
  const cut = make().catch(() => null)
  await waitFor('its volume', async () => (await onEngine()).length === 2)
  await live.server.kill()
  await cut
  await live.server.startAgain()
  const { volumes } = await live.api.json<VolumeList>('GET', '/volumes')
  expect(volumes.find((volume) => volume.name === name)).toMatchObject({ used_by: [id], size_mb: 1 })
  await live.server.kill()
  for (const file of ['k2.db', 'k2.db-wal']) await rm(join(live.server.dataDir, file))
  await live.server.startAgain()
  expect(live.server.output).toMatch(/The database is missing.*Volumes found by their labels: [12]\./)
  expect(await look(name)).toMatchObject({ labels: { a: 'b' }, size_mb: 1, used_by: [id] })
  // Measured at the start: it is over its size.
  await waitFor('its size', async () => Number((await look(name)).used_bytes) > 2 ** 21)
  expect(await live.api.refused('POST', '/sandboxes', { volumes: [{ name, path: '/data' }] })).toMatchObject({
    status: 507,
    code: 'VOLUME_FULL',
  })
  const reader = await create({ volumes: [{ name, path: '/data', read_only: true }] })
  expect(await live.api.read(reader, '/data/file')).toBe('kept')
  expect(await live.api.read(id, '/data/file')).toBe('kept')
  expect((await live.api.refused('DELETE', `/volumes/${name}`)).code).toBe('VOLUME_IN_USE')
})

test('volumes of others are neither shown nor touched, whatever their names and labels say', async () => {
  const { name } = await make()
  const [own] = await onEngine()
  const labels = own?.Labels ?? {}
  const foreign = [
    ['k2-data-foreign0000000000000', labels],
    ['k2-data-foreign1111111111111', { ...labels, 'k2.id': 'foreign1111111111111' }],
    [`not-${name}`, {}],
  ] as const
  try {
    for (const [Name, Labels] of foreign) await docker.createVolume({ Name, Labels })
    await live.server.kill()
    await live.server.startAgain()
    expect((await live.api.json<VolumeList>('GET', '/volumes')).volumes.map((volume) => volume.name)).toEqual([name])
    for (const [Name] of foreign) expect(await docker.getVolume(Name).inspect()).toMatchObject({ Name })
  } finally {
    for (const [Name] of foreign) await docker.getVolume(Name).remove()
  }
})

test('a volume that somebody removed from the engine is missing, and is not made anew in silence', async () => {
  const { name } = await make()
  await docker.getVolume((await onEngine())[0]?.Name ?? '').remove()
  expect(await live.api.refused('POST', '/sandboxes', { volumes: [{ name, path: '/data' }] })).toMatchObject({
    status: 404,
    code: 'VOLUME_NOT_FOUND',
  })
  await live.server.kill()
  await live.server.startAgain()
  expect(await look(name)).toMatchObject({ status: 'missing' })
  await live.api.json('DELETE', `/volumes/${name}`)
  const { events } = await live.api.json<EventPage>('GET', '/events?limit=1000')
  const told = events.filter(({ data }) => data.volume === name).map(({ type }) => type)
  expect(told).toEqual(['volume.created', 'volume.lost', 'volume.deleted'])
  expect(await onEngine()).toEqual([])
})

test('a container has nothing of the host but by the names of our volumes', async () => {
  const { name } = await make()
  const id = await create({ volumes: [{ name, path: '/data', read_only: true }] })
  const { HostConfig, Mounts } = await (await containerOf(docker, live.server.instance, id)).inspect()
  expect(HostConfig.Binds ?? []).toEqual([])
  expect(Mounts.find(({ Destination }) => Destination === '/data')).toMatchObject({
    Type: 'volume',
    Name: (await onEngine())[0]?.Name,
    Driver: 'local',
    RW: false,
  })
})

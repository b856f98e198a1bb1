import { beforeAll, describe, expect, test } from 'vitest'
import { ensureImage, HOSTILE_ID, HOSTILE_IMAGE, SCRATCH_IMAGE, USER_IMAGE } from '../setup/images.ts'
import { containerOf } from '../support/engine.ts'
import { LINKS, useEngine, useSandbox, useServer } from '../support/live.ts'

describe.each(LINKS)('over the %s link', (link) => {
  const live = useServer({ link })
  const engine = useEngine()
  beforeAll(async () => {
    for (const image of [SCRATCH_IMAGE, USER_IMAGE, HOSTILE_IMAGE]) await ensureImage(engine.docker, image)
  })

  describe('an image that holds nothing but one static program', () => {
    const box = useSandbox(live, { template: SCRATCH_IMAGE })

    test('gives a sandbox with files', async () => {
      expect(box.sandbox).toMatchObject({ status: 'running', template: SCRATCH_IMAGE })
      await live.api.write(box.id, 'a/b.txt', 'works')
      expect(await live.api.read(box.id, 'a/b.txt')).toBe('works')
      expect(await live.api.names(box.id, '/')).toEqual(expect.arrayContaining(['program', 'home']))
    })

    test('says that it has no shell and no language', async () => {
      expect(await live.api.refused('POST', `/sandboxes/${box.id}/command`, { command: 'true' })).toMatchObject({
        status: 400,
        code: 'COMMAND_NOT_FOUND',
        detail: expect.stringContaining('/bin/sh'),
      })
      expect(await live.api.refused('POST', `/sandboxes/${box.id}/code`, { code: 'print(1)' })).toMatchObject({
        status: 400,
        code: 'LANGUAGE_UNAVAILABLE',
        detail: expect.stringContaining('none'),
      })
    })

    test('stops and starts', async () => {
      await live.api.action(box.id, 'restart')
      expect(await live.api.read(box.id, 'a/b.txt')).toBe('works')
    })
  })

  describe('an image with a user, a folder and an environment of its own', () => {
    const box = useSandbox(live, { template: USER_IMAGE })

    test('is run as it says', async () => {
      expect(box.sandbox).toMatchObject({ user: 'app', cwd: '/srv/app' })
      expect(await live.api.output(box.id, 'id -u; pwd; echo $GREETING $HOME')).toBe('1234\n/srv/app\nhello /home/app')
    })

    test('owns what is written', async () => {
      await live.api.write(box.id, 'mine/file.txt', 'x')
      expect(await live.api.output(box.id, 'stat -c %u:%g mine mine/file.txt')).toBe('1234:1234\n1234:1234')
    })

    test('names the languages that it has when another is asked for', async () => {
      expect(
        await live.api.refused('POST', `/sandboxes/${box.id}/code`, { code: 'x', language: 'ruby' }),
      ).toMatchObject({ status: 400, code: 'LANGUAGE_UNAVAILABLE', detail: expect.stringMatching(/ruby.*bash/) })
    })
  })

  describe('a hostile image', () => {
    const box = useSandbox(live, { template: HOSTILE_IMAGE, user: '1000:1000', cwd: '/tmp' })

    test('is a sandbox as any other: its entrypoint, libraries, user and folder do nothing', async () => {
      expect(box.sandbox).toMatchObject({ status: 'running', reason: null })
      expect(box.id).not.toBe(HOSTILE_ID)
      expect(
        await live.api.output(box.id, 'id -u; pwd', {
          envs: { PATH: '/usr/bin:/bin', LD_PRELOAD: '', LD_LIBRARY_PATH: '' },
        }),
      ).toBe('1000\n/tmp')
      expect(await live.api.refused('GET', `/sandboxes/${HOSTILE_ID}`)).toMatchObject({ status: 404 })
    })

    test('has no health check that runs, no volume on the host, and our labels', async () => {
      const found = await (await containerOf(engine.docker, live.server.instance, box.id)).inspect()
      expect(found.Config.Healthcheck?.Test).toEqual(['NONE'])
      expect(found.State).not.toHaveProperty('Health')
      expect(found.Mounts.filter(({ Type, Name }) => Type === 'volume' && !Name?.startsWith('k2-agent-'))).toEqual([])
      expect(found.Config.Labels).toMatchObject({ 'k2.id': box.id, 'k2.instance': live.server.instance })
      expect((await live.api.names(box.id, '/')).includes('checked')).toBe(false)
      expect(
        Object.values(found.NetworkSettings.Ports ?? {})
          .flat()
          .filter(Boolean),
      ).toEqual([])
    })

    test('its volumes are bounded memory', async () => {
      const mounts = await live.api
        .read(box.id, '/proc/mounts')
        .catch(() => live.api.output(box.id, 'cat /proc/mounts', { envs: { PATH: '/usr/bin:/bin' } }))
      expect(mounts).toMatch(/ \/data tmpfs [^\n]*size=\d+/)
      expect(mounts).toMatch(/ \/home tmpfs [^\n]*size=\d+/)
    })

    test("its volumes are everybody's to write, after a restart too, and a write to a stopped one is refused", async () => {
      const modes = () =>
        live.api.output(box.id, 'stat -c %a /data /home; touch /data/mine && echo written', { envs: { PATH: '/bin' } })
      expect(await modes()).toBe('1777\n1777\nwritten')
      await live.api.action(box.id, 'stop')
      expect(
        await live.api.refused('POST', `/sandboxes/${box.id}/filesystem`, {
          action: 'write',
          path: '/data/lost',
          content: 'x',
        }),
      ).toMatchObject({ status: 400, code: 'PATH_REFUSED', detail: expect.stringContaining('/data') })
      await live.api.action(box.id, 'start')
      expect(await modes()).toBe('1777\n1777\nwritten')
    })

    test('stops, starts and is deleted', async () => {
      expect(await live.api.action(box.id, 'restart')).toMatchObject({ status: 'running' })
      expect(
        (await live.api.list('?status=running')).sandboxes.filter(({ sandbox_id }) => sandbox_id === HOSTILE_ID),
      ).toEqual([])
    })
  })
})

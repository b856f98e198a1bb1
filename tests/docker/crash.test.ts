import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { containersOf } from '../support/engine.ts'
import { LINKS, useEngine, useServer } from '../support/live.ts'
import { waitFor } from '../support/wait-for.ts'

describe.each(LINKS)('a server that is killed and started again, over the %s link', (link) => {
  const live = useServer({ link })
  const { docker } = useEngine()
  const crash = async () => {
    await live.server.kill()
    await live.server.startAgain()
  }
  /** Containers whose sandbox the server does not know: none, when it has cleaned up. */
  const orphans = async () => {
    const known = new Set((await live.api.list()).sandboxes.map(({ sandbox_id }) => sandbox_id))
    return (await containersOf(docker, live.server.instance)).filter(({ Labels }) => !known.has(Labels['k2.id'] ?? ''))
  }

  test('knows every sandbox it has answered with, member by member, and their files', async () => {
    const { created: _, ...running } = await live.api.create({
      metadata: { a: '1' },
      envs: { KEY: 'kept' },
      name: `kept-${link}`,
      timeout: 1234,
    })
    const stopped = await live.api.create({ on_timeout: 'stop' })
    await live.api.write(running.sandbox_id, 'file', 'kept')
    await live.api.action(stopped.sandbox_id, 'stop')
    const before = await live.api.get(stopped.sandbox_id)
    await crash()
    expect(await live.api.get(running.sandbox_id)).toEqual({ ...running, expires_at: expect.any(String) })
    expect(await live.api.get(stopped.sandbox_id)).toEqual(before)
    expect(await live.api.output(running.sandbox_id, 'cat file; echo " $KEY"')).toBe('kept kept')
    expect(await live.api.refused('POST', '/sandboxes', { name: `kept-${link}` })).toMatchObject({ status: 409 })
    expect(await live.api.action(stopped.sandbox_id, 'start')).toMatchObject({ status: 'running' })
    for (const id of [running.sandbox_id, stopped.sandbox_id]) await live.api.delete(id)
  })

  test.each([0, 30, 80, 150, 300, 500])(
    'in the middle of creates (after %d ms) leaves none that was not answered, loses none that was',
    async (delayMs) => {
      const creates = Array.from({ length: 4 }, () =>
        live.api.create().then(
          ({ sandbox_id }) => sandbox_id,
          () => null,
        ),
      )
      await sleep(delayMs)
      await live.server.kill()
      const answered = (await Promise.all(creates)).filter((id) => id !== null)
      await live.server.startAgain()
      const { sandboxes } = await live.api.list()
      // One may have been ready and its answer lost with the connection; what was answered is there.
      expect(sandboxes.map(({ sandbox_id }) => sandbox_id)).toEqual(expect.arrayContaining(answered))
      expect(sandboxes.filter(({ status }) => status !== 'running')).toEqual([])
      await waitFor('what was half made to be gone', async () => (await orphans()).length === 0)
      for (const { sandbox_id } of sandboxes) {
        expect(await live.api.output(sandbox_id, 'echo works')).toBe('works')
        await live.api.delete(sandbox_id)
      }
    },
  )

  test('during a command finds the process again, and it goes on', async () => {
    const { sandbox_id: id } = await live.api.create()
    const cut = live.api.command(id, 'echo before > progress; sleep 4; echo after >> progress').catch(() => 'cut')
    const before = await waitFor('the command', async () => (await live.api.processes(id)).processes[0])
    await crash()
    expect(await cut).toBe('cut')
    const { processes } = await live.api.processes(id)
    expect(processes).toContainEqual(
      expect.objectContaining({
        process_id: before.process_id,
        pid: before.pid,
        state: 'running',
        command: before.command,
      }),
    )
    await waitFor('its end', async () => (await live.api.read(id, 'progress')) === 'before\nafter\n')
    const ended = await waitFor('its status', async () => {
      const now = await live.api.json<{ state: string }>('GET', `/sandboxes/${id}/processes/${before.process_id}`)
      return now.state === 'exited' && now
    })
    expect(ended).toMatchObject({ exit_code: 0, reason: 'exited' })
    await live.api.delete(id)
  })

  test('after a delete was answered finishes it', async () => {
    const ids = await Promise.all([1, 2, 3].map(async () => (await live.api.create()).sandbox_id))
    await Promise.all(ids.map((id) => live.api.delete(id)))
    await crash()
    for (const id of ids) expect((await live.api.refused('GET', `/sandboxes/${id}`)).status).toBe(404)
    await waitFor(
      'the containers to be gone',
      async () => (await containersOf(docker, live.server.instance)).length === 0,
    )
  })

  test('during stop and start ends in one of both, and it works', async () => {
    const { sandbox_id: id } = await live.api.create()
    await live.api.write(id, 'file', 'kept')
    for (const [action, delayMs] of [
      ['stop', 20],
      ['start', 60],
      ['restart', 100],
    ] as const) {
      const cut = live.api.action(id, action).catch(() => 'cut')
      await sleep(delayMs)
      await crash()
      await cut
      expect(['running', 'stopped']).toContain((await live.api.get(id)).status)
      expect(await live.api.action(id, 'start')).toMatchObject({ status: 'running' })
      expect(await live.api.output(id, 'cat file')).toBe('kept')
    }
    await live.api.delete(id)
  })

  test('during a change of limits ends in one of both, and the engine has the same', async () => {
    const { sandbox_id: id } = await live.api.create()
    for (const [memory, delayMs] of [
      [300, 4],
      [400, 12],
      [500, 25],
    ] as const) {
      const cut = live.api.update(id, { resources: { memory_mb: memory } }).catch(() => 'cut')
      await sleep(delayMs)
      await crash()
      await cut
      const { resources } = await live.api.get(id)
      const [container] = await containersOf(docker, live.server.instance)
      const { HostConfig } = await docker.getContainer(container?.Id ?? '').inspect()
      expect(HostConfig.Memory).toBe(resources.memory_mb * 1024 * 1024)
    }
    await live.api.delete(id)
  })

  test('paused ones stay paused, and go on where they were when they are resumed', async () => {
    const { sandbox_id: id } = await live.api.create()
    await live.api.code(id, 'kept = 42')
    await live.api.action(id, 'pause')
    await crash()
    expect(await live.api.get(id)).toMatchObject({ status: 'paused' })
    await live.api.action(id, 'resume')
    expect(await live.api.code(id, 'kept')).toMatchObject({ text: '42' })
    const cut = live.api.action(id, 'pause').catch(() => 'cut')
    await sleep(10)
    await crash()
    await cut
    expect(['running', 'paused']).toContain((await live.api.get(id)).status)
    await live.api.action(id, 'resume')
    expect(await live.api.code(id, 'kept')).toMatchObject({ text: '42' })
    await live.api.delete(id)
  })

  test('in the grace of a stop finishes the stop', async () => {
    const { sandbox_id: id } = await live.api.create()
    // Deaf to SIGTERM, so that the stop lasts as long as the grace.
    await live.api.output(id, `trap '' TERM; nohup sleep 600 >/dev/null 2>&1 &`)
    const cut = live.api.action(id, 'stop').catch(() => 'cut')
    await waitFor(
      'the stop to begin',
      async () => (await live.api.send('POST', `/sandboxes/${id}/command`, { command: 'true' })).status === 409,
    )
    await crash()
    expect(await cut).toBe('cut')
    expect(await live.api.action(id, 'start')).toMatchObject({ status: 'running' })
    expect(await live.api.output(id, 'echo again')).toBe('again')
    await live.api.delete(id)
  })

  test('without its database finds running and stopped sandboxes by their labels', async () => {
    const running = await live.api.create({ name: `found-${link}`, cwd: '/srv/work', metadata: { lost: '1' } })
    const stopped = await live.api.create({ user: 'root' })
    await live.api.write(running.sandbox_id, 'file', 'kept')
    await live.api.action(stopped.sandbox_id, 'stop')
    await live.server.kill()
    for (const file of ['k2.db', 'k2.db-wal', 'k2.db-shm']) await rm(join(live.server.dataDir, file), { force: true })
    await live.server.startAgain()
    expect(live.server.output).toMatch(/The database is missing.* 2 sandboxes were found by labels alone/)
    expect(await live.api.get(running.sandbox_id)).toMatchObject({
      status: 'running',
      name: `found-${link}`,
      cwd: '/srv/work',
      created_at: running.created_at,
      metadata: {},
      reason: expect.stringContaining('found again'),
    })
    expect(await live.api.get(stopped.sandbox_id)).toMatchObject({ status: 'stopped', user: 'root' })
    expect(await live.api.output(running.sandbox_id, 'pwd; cat file')).toBe('/srv/work\nkept')
    expect(await live.api.action(stopped.sandbox_id, 'start')).toMatchObject({ status: 'running' })
    expect(await live.api.output(stopped.sandbox_id, 'id -un')).toBe('root')
    for (const id of [running.sandbox_id, stopped.sandbox_id]) await live.api.delete(id)
  })

  test('keeps the deadlines: what ran out while it was away is ended, what did not has its rest', async () => {
    const short = await live.api.create({ timeout: 2 })
    const long = await live.api.create({ timeout: 900 })
    await live.server.kill()
    await sleep(2500)
    await live.server.startAgain()
    await waitFor(
      'the end of the short one',
      async () => (await live.api.send('GET', `/sandboxes/${short.sandbox_id}`)).status === 404,
      { withinMs: 4000 },
    )
    const expires = Date.parse((await live.api.get(long.sandbox_id)).expires_at ?? '')
    expect(Math.abs(expires - Date.parse(long.expires_at ?? ''))).toBeLessThan(1100)
    await live.api.delete(long.sandbox_id)
  })

  test('and whose sandboxes were removed meanwhile says so', async () => {
    const { sandbox_id: id } = await live.api.create()
    await live.server.kill()
    for (const { Id } of await containersOf(docker, live.server.instance))
      await docker.getContainer(Id).remove({ force: true })
    await live.server.startAgain()
    expect(await live.api.get(id)).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('removed outside'),
    })
    await live.api.delete(id)
    expect((await live.api.list()).sandboxes).toEqual([])
  })
})

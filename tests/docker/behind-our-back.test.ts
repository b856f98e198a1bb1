import { describe, expect, test } from 'vitest'
import type { EventPage } from '../../schemas/event.ts'
import { containerOf } from '../support/engine.ts'
import { LINKS, useEngine, useServer } from '../support/live.ts'
import { waitFor } from '../support/wait-for.ts'

describe.each(LINKS)('over the %s link', (link) => {
  const live = useServer({ link })
  const { docker } = useEngine()

  const told = async (id: string) =>
    (await live.api.json<EventPage>('GET', `/sandboxes/${id}/events`)).events.map(({ type, data }) => [
      type.replace('sandbox.', ''),
      data.reason ?? data.by ?? null,
    ])

  /** A sandbox in which a command runs, and what that command's caller will be told. */
  async function busySandbox() {
    const { sandbox_id: id } = await live.api.create()
    const ended = live.api.refused('POST', `/sandboxes/${id}/command`, { command: 'echo begun; sleep 60' })
    await waitFor('the command', async () => (await live.api.processes(id)).processes.length > 0)
    return { id, ended, container: await containerOf(docker, live.server.instance, id) }
  }

  test('a container that is removed under a running command ends it at once; the sandbox is failed and says why', async () => {
    const { id, ended, container } = await busySandbox()
    const started = performance.now()
    await container.remove({ force: true })
    const problem = await ended
    expect(performance.now() - started).toBeLessThan(5000)
    expect([404, 409, 503]).toContain(problem.status)
    expect(problem.detail).toMatch(/removed|not running any more|ended/)
    const box = await waitFor('the status', async () => {
      const now = await live.api.get(id)
      return now.status === 'failed' && now
    })
    expect(box.reason).toMatch(/removed outside/)
    expect(await live.api.refused('POST', `/sandboxes/${id}/command`, { command: 'true' })).toMatchObject({
      status: 409,
      detail: expect.stringMatching(/failed .*removed outside/),
    })
    const removed = {
      status: 409,
      code: 'SANDBOX_STATE_CONFLICT',
      detail: expect.stringMatching(/removed outside.*create another\)?$/),
    }
    for (const action of ['start', 'stop', 'restart'])
      expect(await live.api.refused('POST', `/sandboxes/${id}/actions`, { action })).toMatchObject(removed)
    for (const file of [{ action: 'list' }, { action: 'read', path: 'x' }, { action: 'write', path: 'x', content: '' }])
      expect(await live.api.refused('POST', `/sandboxes/${id}/filesystem`, file)).toMatchObject(removed)
    expect((await live.api.get(id)).reason).toBe(box.reason)
    expect(await live.api.delete(id)).toMatchObject({ status: 'deleted' })
    expect(await told(id)).toEqual([
      ['created', null],
      ['failed', box.reason],
      ['deleted', 'request'],
    ])
  })

  test('a container that is killed under a running command ends it at once; the sandbox is stopped, says why, and starts again', async () => {
    const { id, ended, container } = await busySandbox()
    await live.api.write(id, 'kept', 'kept')
    const started = performance.now()
    await container.kill()
    const problem = await ended
    expect(performance.now() - started).toBeLessThan(5000)
    expect([409, 503]).toContain(problem.status)
    const box = await waitFor('the status', async () => {
      const now = await live.api.get(id)
      return now.status === 'stopped' && now
    })
    expect(box.reason).toMatch(/killed outside/)
    expect(await live.api.action(id, 'start')).toMatchObject({ status: 'running', reason: null })
    expect(await live.api.output(id, 'cat kept')).toBe('kept')
    await live.api.delete(id)
    expect(await told(id)).toEqual([
      ['created', null],
      ['stopped', box.reason],
      ['started', null],
      ['deleted', 'request'],
    ])
  })

  test('a container that is started again from outside is a running sandbox again', async () => {
    const { sandbox_id: id } = await live.api.create()
    await live.api.action(id, 'stop')
    await (await containerOf(docker, live.server.instance, id)).start()
    await waitFor('the status', async () => (await live.api.get(id)).status === 'running')
    expect(await live.api.output(id, 'echo works')).toBe('works')
    await live.api.delete(id)
  })

  test('a container that is paused from outside is a paused sandbox, and start wakes it', async () => {
    const { sandbox_id: id } = await live.api.create()
    await (await containerOf(docker, live.server.instance, id)).pause()
    await waitFor('the status', async () => (await live.api.get(id)).status === 'paused')
    expect(await live.api.refused('POST', `/sandboxes/${id}/command`, { command: 'true' })).toMatchObject({
      status: 409,
    })
    expect(await live.api.action(id, 'start')).toMatchObject({ status: 'running' })
    expect(await live.api.output(id, 'echo works')).toBe('works')
    await live.api.delete(id)
  })

  test('a paused container can be deleted', async () => {
    const { sandbox_id: id } = await live.api.create()
    const container = await containerOf(docker, live.server.instance, id)
    await container.pause()
    await waitFor('the status', async () => (await live.api.get(id)).status === 'paused')
    await live.api.delete(id)
    await waitFor('the container to be gone', () =>
      container.inspect().then(
        () => false,
        () => true,
      ),
    )
  })
})

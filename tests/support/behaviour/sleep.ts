import { describe, expect, onTestFinished, test } from 'vitest'
import type { SandboxCreate } from '../../../schemas/sandbox.ts'
import { unique } from '../api.ts'
import type { Live } from '../live.ts'
import { waitFor } from '../wait-for.ts'

/** Pausing, waking, ageing and changing, on every engine and over every link. */
export function describeSleep(live: Live): void {
  const create = async (body: SandboxCreate = {}) => {
    const made = await live.api.create(body)
    onTestFinished(async () => void (await live.api.send('DELETE', `/sandboxes/${made.sandbox_id}`)))
    return made
  }
  const waiting = (id: string, status: string, timeout = 20) =>
    live.api.json<{ status: string; reason: string | null }>(
      'GET',
      `/sandboxes/${id}?wait=${status}&timeout=${timeout}`,
    )
  const isGone = (id: string) =>
    waitFor(`${id} to be gone`, async () => (await live.api.send('GET', `/sandboxes/${id}`)).status === 404)

  test('what a paused sandbox runs stands still and goes on with the resume, where it was', async () => {
    const { sandbox_id: id } = await create()
    await live.api.code(id, 'kept = 41')
    const { process_id } = await live.api.startProcess(id, {
      command: 'n=0; while :; do n=$((n+1)); echo $n > count; sleep 0.01; done',
      keep_alive: true,
    })
    await waitFor('the count', async () => (await live.api.names(id)).includes('count'))
    expect(await live.api.action(id, 'pause')).toMatchObject({ status: 'paused', expires_at: null, reason: null })
    expect(await live.api.action(id, 'pause')).toMatchObject({ status: 'paused' })
    for (const [method, path, body] of [
      ['POST', 'command', { command: 'true' }],
      ['POST', 'code', { code: '1' }],
      ['POST', 'filesystem', { action: 'read', path: 'count' }],
      ['GET', 'files?path=count', undefined],
      ['GET', 'processes', undefined],
      ['GET', 'ports/80', undefined],
      ['GET', 'archive?path=.', undefined],
    ] as const) {
      expect(await live.api.refused(method, `/sandboxes/${id}/${path}`, body), path).toMatchObject({
        code: 'SANDBOX_STATE_CONFLICT',
        detail: expect.stringContaining('resume'),
      })
    }
    expect(await live.api.action(id, 'resume')).toMatchObject({ status: 'running' })
    expect(await live.api.code(id, 'kept + 1')).toMatchObject({ text: '42', state_lost: false })
    const { processes } = await live.api.processes(id)
    expect(processes.find((one) => one.process_id === process_id)).toMatchObject({ state: 'running' })
    // The process keeps it alive again.
    await waitFor('its hold', async () => (await live.api.get(id)).expires_at === null)
  })

  test('a call that is under way ends with a pause, and its command goes on with the resume', async () => {
    const { sandbox_id: id } = await create()
    const running = live.api.send('POST', `/sandboxes/${id}/command`, {
      command: 'echo begun > begun; until [ -e go ]; do sleep 0.02; done; echo done > done',
    })
    await waitFor('its begin', async () => (await live.api.names(id)).includes('begun'))
    await live.api.action(id, 'pause')
    const { status, text } = await running
    expect({ status, text }).toMatchObject({ status: 409, text: expect.stringContaining('paused in the meantime') })
    await live.api.action(id, 'resume')
    await live.api.write(id, 'go', '')
    await waitFor('its end', async () => (await live.api.names(id)).includes('done'))
  })

  test('a paused sandbox can be stopped, with a chance to end for its processes, started, and deleted', async () => {
    const { sandbox_id: id } = await create()
    await live.api.startProcess(id, {
      command: 'trap "echo bye > bye; exit" TERM; echo > ready; while :; do sleep 0.02; done',
    })
    await waitFor('the trap', async () => (await live.api.names(id)).includes('ready'))
    await live.api.action(id, 'pause')
    expect(await live.api.action(id, 'stop')).toMatchObject({ status: 'stopped' })
    expect(await live.api.refused('POST', `/sandboxes/${id}/actions`, { action: 'pause' })).toMatchObject({
      code: 'SANDBOX_STATE_CONFLICT',
    })
    expect(await live.api.read(id, 'bye')).toBe('bye\n')
    await live.api.action(id, 'start')
    await live.api.action(id, 'pause')
    expect(await live.api.delete(id)).toMatchObject({ status: 'deleted' })
  })

  describe('one that wakes by its use', () => {
    test.each(['pause', 'stop'] as const)('after %s, many first calls at once are all answered', async (action) => {
      const { sandbox_id: id } = await create({ auto_resume: true })
      await live.api.write(id, 'kept', 'kept')
      await live.api.action(id, action)
      const calls = Array.from({ length: 8 }, (_, n) => live.api.output(id, `cat kept; echo ${n}`))
      expect(await Promise.all(calls)).toEqual(calls.map((_, n) => `kept${n}`))
      expect(await live.api.get(id)).toMatchObject({ status: 'running', auto_resume: true })
    })

    test('looking at it, and reading files of a stopped one, wakes nothing', async () => {
      const { sandbox_id: id } = await create({ auto_resume: true })
      await live.api.write(id, 'kept', 'kept')
      await live.api.action(id, 'stop')
      expect(await live.api.read(id, 'kept')).toBe('kept')
      expect(await live.api.get(id)).toMatchObject({ status: 'stopped' })
      // What only a running one can do wakes it.
      await live.api.json('GET', `/sandboxes/${id}/files/glob?pattern=*`)
      expect(await live.api.get(id)).toMatchObject({ status: 'running' })
    })

    test('it sleeps at its timeout and is used as if nothing were', async () => {
      const { sandbox_id: id } = await create({ timeout: 1, on_timeout: 'pause', auto_resume: true })
      await live.api.code(id, 'kept = 42')
      expect(await waiting(id, 'paused')).toMatchObject({ status: 'paused', reason: 'it was not used for 1 s' })
      expect(await live.api.code(id, 'kept')).toMatchObject({ text: '42' })
      expect(await live.api.get(id)).toMatchObject({ reason: null })
    })
  })

  test('max_lifetime ends a sandbox that is in use, and one that sleeps', async () => {
    const used = await create({ max_lifetime: 2 })
    const paused = await create({ max_lifetime: 2 })
    expect(used.max_lifetime).toBe(2)
    await live.api.action(paused.sandbox_id, 'pause')
    const { status } = await live.api.send('POST', `/sandboxes/${used.sandbox_id}/command`, { command: 'sleep 60' })
    expect(status).toBe(404)
    await isGone(used.sandbox_id)
    await isGone(paused.sandbox_id)
  })

  test('a change holds in every state, all of it or nothing', async () => {
    const { sandbox_id: id } = await create({ metadata: { a: '1' }, timeout: 100 })
    const changed = await live.api.update(id, {
      metadata: { b: '2' },
      timeout: 200,
      on_timeout: 'stop',
      auto_resume: true,
      max_lifetime: 5000,
      resources: { memory_mb: 512, cpus: 0.5 },
    })
    const seen = {
      metadata: { b: '2' },
      timeout: 200,
      on_timeout: 'stop',
      auto_resume: true,
      max_lifetime: 5000,
      resources: { cpus: 0.5, memory_mb: 512, pids: 512, disk_mb: null },
    }
    expect(changed).toMatchObject(seen)
    expect((await live.api.list('?metadata=b=2')).sandboxes).toMatchObject([{ sandbox_id: id }])
    expect(await live.api.update(id, { max_lifetime: 0, timeout: 0 })).toMatchObject({
      max_lifetime: null,
      timeout: 300,
    })
    const tooMuch = { metadata: { c: '3' }, resources: { memory_mb: 10_000_000 } }
    expect(await live.api.refused('PATCH', `/sandboxes/${id}`, tooMuch)).toMatchObject({ code: 'VALIDATION_FAILED' })
    expect(await live.api.refused('PATCH', `/sandboxes/${id}`, {})).toMatchObject({ code: 'VALIDATION_FAILED' })
    expect(await live.api.refused('PATCH', `/sandboxes/${id}`, { resources: { disk_mb: 100 } })).toMatchObject({
      code: 'INVALID_REQUEST',
      detail: expect.stringContaining('disk_mb'),
    })
    expect(await live.api.get(id)).toMatchObject({ metadata: { b: '2' } })
    await live.api.action(id, 'stop')
    expect(await live.api.update(id, { resources: { pids: 300 } })).toMatchObject({ resources: { pids: 300 } })
    expect(await live.api.action(id, 'start')).toMatchObject({ status: 'running' })
  })

  test('GET waits for a status, and answers at its time when it does not come', async () => {
    const { sandbox_id: id } = await create()
    expect(await waiting(id, 'running')).toMatchObject({ status: 'running' })
    expect(await waiting(id, 'stopped', 0.05)).toMatchObject({ status: 'running' })
    const stopped = waiting(id, 'stopped')
    await live.api.action(id, 'stop')
    expect(await stopped).toMatchObject({ status: 'stopped' })
    const started = live.api.json('GET', `/sandboxes/${id}?wait=running&wait=paused`)
    await live.api.action(id, 'start')
    expect(await started).toMatchObject({ status: 'running' })
    const deleted = live.api.send('GET', `/sandboxes/${id}?wait=stopped`)
    await live.api.delete(id)
    expect((await deleted).status).toBe(404)
  })

  test('get_or_create: eight at once of one name are one sandbox, found again and woken', async () => {
    const name = unique('shared')
    const request = { name, get_or_create: true, metadata: { first: 'yes' } }
    const all = await Promise.all(Array.from({ length: 8 }, () => create(request)))
    expect(new Set(all.map((one) => one.sandbox_id)).size).toBe(1)
    expect(all.filter((one) => one.created)).toHaveLength(1)
    await live.api.action(all[0]?.sandbox_id ?? '', 'stop')
    const again = await create({ name, get_or_create: true, metadata: { first: 'no' } })
    expect(again).toMatchObject({ created: false, status: 'running', metadata: { first: 'yes' } })
    expect(await live.api.refused('POST', '/sandboxes', { get_or_create: true })).toMatchObject({
      code: 'INVALID_REQUEST',
    })
    expect(await live.api.refused('POST', '/sandboxes', { name })).toMatchObject({ code: 'NAME_TAKEN' })
  })
}

import { expect, test } from 'vitest'
import { unique } from '../api.ts'
import type { Live } from '../live.ts'
import { waitFor } from '../wait-for.ts'

/** The life of a sandbox, on every engine and over every link. */
export function describeLifecycle(live: Live): void {
  const gone = (id: string) => live.api.refused('GET', `/sandboxes/${id}`)

  test('a sandbox with everything default has every member, and get and list say the same', async () => {
    const before = Date.now()
    const { created, ...made } = await live.api.create()
    expect(created).toBe(true)
    expect(made).toEqual({
      sandbox_id: expect.stringMatching(/^[a-z0-9]{20}$/),
      status: 'running',
      name: null,
      reason: null,
      template: expect.any(String),
      cwd: expect.stringMatching(/^\//),
      user: expect.any(String),
      timeout: 300,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      expires_at: expect.any(String),
      metadata: {},
      resources: { cpus: 1, memory_mb: 1024, pids: 512, disk_mb: null },
      network: 'internet',
      on_timeout: 'delete',
      auto_resume: false,
      max_lifetime: null,
      warm: false,
      origin: null,
      volumes: [],
    })
    expect(Date.parse(made.created_at)).toBeGreaterThanOrEqual(before - 1)
    expect(Date.parse(made.expires_at ?? '')).toBeGreaterThan(Date.now() + 290_000)
    expect(await live.api.get(made.sandbox_id)).toEqual(made)
    expect((await live.api.list()).sandboxes).toContainEqual(made)
    expect(await live.api.delete(made.sandbox_id)).toEqual({ sandbox_id: made.sandbox_id, status: 'deleted' })
    expect(await gone(made.sandbox_id)).toMatchObject({
      status: 404,
      detail: 'Sandbox not found',
      code: 'SANDBOX_NOT_FOUND',
    })
  })

  test('null members and no body at all are the defaults', async () => {
    const nothing = await live.api.json<{ sandbox_id: string }>('POST', '/sandboxes')
    const nulls = { cwd: null, envs: null, timeout: null, metadata: null, template: null, name: null, resources: null }
    const nulled = await live.api.json<{ sandbox_id: string; timeout: number }>('POST', '/sandboxes', nulls)
    expect(nulled.timeout).toBe(300)
    await live.api.delete(nothing.sandbox_id)
    await live.api.delete(nulled.sandbox_id)
  })

  test('stop keeps the files and ends the processes, start wakes it, restart is both', async () => {
    const { sandbox_id: id } = await live.api.create()
    await live.api.write(id, 'kept.txt', 'kept')
    await live.api.command(id, 'sleep 41.25 & echo')
    expect(await live.api.action(id, 'stop')).toMatchObject({
      sandbox_id: id,
      status: 'stopped',
      expires_at: null,
      reason: null,
    })
    expect(await live.api.action(id, 'stop')).toMatchObject({ status: 'stopped' })
    expect(await live.api.get(id)).toMatchObject({ status: 'stopped' })
    for (const [route, body] of [
      ['command', { command: 'true' }],
      ['code', { code: '1' }],
    ] as const) {
      expect(await live.api.refused('POST', `/sandboxes/${id}/${route}`, body)).toMatchObject({
        status: 409,
        code: 'SANDBOX_STATE_CONFLICT',
        detail: expect.stringContaining('start'),
      })
    }
    expect(await live.api.action(id, 'start')).toMatchObject({ status: 'running', expires_at: expect.any(String) })
    expect(await live.api.action(id, 'start')).toMatchObject({ status: 'running' })
    expect(await live.api.read(id, 'kept.txt')).toBe('kept')
    expect(await live.api.output(id, 'pgrep -fx "sleep 41.25" || echo none')).toBe('none')

    await live.api.command(id, 'sleep 41.25 & echo')
    expect(await live.api.action(id, 'restart')).toMatchObject({ status: 'running' })
    expect(await live.api.output(id, 'cat kept.txt; pgrep -fx "sleep 41.25" || echo none')).toBe('keptnone')
    await live.api.action(id, 'stop')
    expect(await live.api.action(id, 'restart')).toMatchObject({ status: 'running' })
    await live.api.delete(id)
  })

  test('processes are asked to end before they are made to', async () => {
    const { sandbox_id: id } = await live.api.create()
    await live.api.command(
      id,
      `sh -c 'trap "echo asked > asked.txt; exit" TERM; echo ready > ready.txt; while :; do sleep 0.05; done' >/dev/null 2>&1 &`,
    )
    await waitFor('the trap', async () => (await live.api.names(id)).includes('ready.txt'))
    await live.api.action(id, 'stop')
    expect(await live.api.read(id, 'asked.txt')).toBe('asked\n')
    await live.api.delete(id)
  })

  test('a client that leaves in the middle of a stop does not leave it half stopped', async () => {
    const { sandbox_id: id } = await live.api.create()
    const stubborn = 'trap "" TERM; touch ready; while :; do sleep 0.1; done'
    const ended = live.api.send('POST', `/sandboxes/${id}/command`, { command: stubborn })
    await waitFor('the trap', async () => (await live.api.names(id)).includes('ready'))
    const leaving = { signal: AbortSignal.timeout(300) }
    await expect(live.api.json('POST', `/sandboxes/${id}/actions`, { action: 'stop' }, leaving)).rejects.toThrow()
    await waitFor('the stop', async () => (await live.api.get(id)).status === 'stopped')
    // Whichever is seen first: its end, or that of its sandbox.
    expect((await ended).text).toMatch(/"reason":"killed"|"SANDBOX_STATE_CONFLICT"/)
    expect(await live.api.action(id, 'start')).toMatchObject({ status: 'running' })
    expect(await live.api.output(id, 'echo works')).toBe('works')
    await live.api.delete(id)
  })

  test('kill answers killed, and it is gone', async () => {
    const { sandbox_id: id } = await live.api.create()
    expect(await live.api.action(id, 'kill')).toMatchObject({ sandbox_id: id, status: 'killed', expires_at: null })
    expect(await gone(id)).toMatchObject({ status: 404 })
    expect(await live.api.refused('POST', `/sandboxes/${id}/actions`, { action: 'kill' })).toMatchObject({
      status: 404,
    })
  })

  test('set_timeout gives a new timeout, 0 the default', async () => {
    const { sandbox_id: id } = await live.api.create({ timeout: 100 })
    const longer = await live.api.action(id, 'set_timeout', { timeout: 1000 })
    expect(longer).toMatchObject({ status: 'running', timeout: 1000 })
    expect(Date.parse(longer.expires_at ?? '')).toBeGreaterThan(Date.now() + 990_000)
    expect(await live.api.action(id, 'set_timeout', { timeout: 0 })).toMatchObject({ timeout: 300 })
    expect(await live.api.refused('POST', `/sandboxes/${id}/actions`, { action: 'set_timeout' })).toMatchObject({
      status: 400,
      detail: 'Timeout value is required',
    })
    expect(await live.api.refused('POST', `/sandboxes/${id}/actions`, { action: 'explode' })).toMatchObject({
      status: 400,
      code: 'UNSUPPORTED_ACTION',
      detail: 'Unsupported action: explode',
    })
    await live.api.delete(id)
  })

  test('a name belongs to one sandbox at a time and is free when that is deleted', async () => {
    const name = unique('named')
    const { sandbox_id: id } = await live.api.create({ name })
    expect(await live.api.refused('POST', '/sandboxes', { name })).toMatchObject({
      status: 409,
      code: 'NAME_TAKEN',
      detail: expect.stringContaining(name),
    })
    await live.api.delete(id)
    const again = await live.api.create({ name })
    expect(again.name).toBe(name)
    await live.api.delete(again.sandbox_id)
  })

  test('of two creates of one name at once, one gets it', async () => {
    const name = unique('race')
    const answers = await Promise.all([1, 2, 3].map(() => live.api.send('POST', '/sandboxes', { name })))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409])
    const made = answers.find(({ status }) => status === 200)
    await live.api.delete(JSON.parse(made?.text ?? '{}').sandbox_id)
  })

  test('a sandbox can be deleted when it is running, stopped and under a running command', async () => {
    const ids = await Promise.all([1, 2, 3].map(async () => (await live.api.create()).sandbox_id))
    const [running = '', stopped = '', busy = ''] = ids
    await live.api.action(stopped, 'stop')
    const command = live.api.refused('POST', `/sandboxes/${busy}/command`, { command: 'sleep 60' })
    await waitFor('the command', async () => (await live.api.processes(busy)).processes.length > 0)
    for (const id of [running, stopped, busy]) expect(await live.api.delete(id)).toMatchObject({ status: 'deleted' })
    expect(await command).toMatchObject({
      status: 404,
      code: 'SANDBOX_NOT_FOUND',
      detail: expect.stringContaining('deleted'),
    })
    for (const id of ids) expect((await gone(id)).status).toBe(404)
  })

  test('delete while it starts is answered, and the create is told', async () => {
    const name = unique('starting')
    const create = live.api.send('POST', '/sandboxes', { name })
    const [half] = await waitFor('the half-made sandbox', async () => {
      const { sandboxes } = await live.api.list(`?name=${name}`)
      return sandboxes.length > 0 && sandboxes
    })
    const id = half?.sandbox_id ?? ''
    expect(await live.api.delete(id)).toMatchObject({ status: 'deleted' })
    const { status } = await create
    // It may just have been ready.
    expect([200, 404]).toContain(status)
    expect((await gone(id)).status).toBe(404)
    const again = await live.api.create({ name })
    await live.api.delete(again.sandbox_id)
  })

  test('stop and start that come at once end in one state or the other, and it works', async () => {
    const { sandbox_id: id } = await live.api.create()
    const answers = await Promise.all(
      (['stop', 'start', 'restart', 'stop', 'start'] as const).map((action) => live.api.action(id, action)),
    )
    expect(answers.map(({ status }) => status)).toEqual(['stopped', 'running', 'running', 'stopped', 'running'])
    expect(await live.api.output(id, 'echo works')).toBe('works')
    await live.api.delete(id)
  })

  test('a timeout that runs out deletes the sandbox, or stops it, and a running command puts it off', async () => {
    const [deleted, stopped, busy] = await Promise.all([
      live.api.create({ timeout: 1 }),
      live.api.create({ timeout: 1, on_timeout: 'stop' }),
      live.api.create({ timeout: 1 }),
    ])
    const working = live.api.command(busy.sandbox_id, 'sleep 4; echo done')
    await waitFor('the running call to be seen', async () => (await live.api.get(busy.sandbox_id)).expires_at === null)
    await waitFor(
      'the end of the first',
      async () => (await live.api.send('GET', `/sandboxes/${deleted.sandbox_id}`)).status === 404,
    )
    await waitFor('the stop of the second', async () => (await live.api.get(stopped.sandbox_id)).status === 'stopped')
    expect(await working).toMatchObject({ stdout: 'done\n' })
    await waitFor(
      'the end of the third',
      async () => (await live.api.send('GET', `/sandboxes/${busy.sandbox_id}`)).status === 404,
    )
    expect(await live.api.action(stopped.sandbox_id, 'start')).toMatchObject({ status: 'running' })
    await live.api.delete(stopped.sandbox_id)
  })
}

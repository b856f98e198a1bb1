import { describe, expect, test } from 'vitest'
import { endOf, templatesOf } from '../support/builds.ts'
import { useServer } from '../support/live.ts'

describe('templates that are names of images', () => {
  const live = useServer({ engine: 'local', settings: { K2_MAX_TEMPLATES: '5', K2_MAX_QUEUED_BUILDS: '0' } })
  const templates = templatesOf(live)
  const refused = (body: unknown) => live.api.refused('POST', '/templates', body)

  test('a create gets the defaults of its template, and says what it wants otherwise', async () => {
    const made = await templates.create({
      name: 'small',
      image: 'local',
      description: 'for tests',
      defaults: {
        timeout: 120,
        on_timeout: 'stop',
        auto_resume: true,
        envs: { A: 'template', B: 'template' },
        resources: { memory_mb: 256, cpus: 0.5 },
      },
    })
    expect(made).toMatchObject({
      name: 'small',
      status: 'ready',
      built: false,
      from: 'local',
      build: null,
      pool_size: 0,
    })
    expect(await live.api.json('GET', '/templates')).toEqual({ templates: [made] })
    const plain = await live.api.create({ template: 'small' })
    expect(plain).toMatchObject({
      template: 'small',
      timeout: 120,
      on_timeout: 'stop',
      auto_resume: true,
      resources: { memory_mb: 256, cpus: 0.5 },
    })
    const own = await live.api.create({ template: 'small', timeout: 60, envs: { B: 'own' }, resources: { cpus: 1 } })
    expect(own).toMatchObject({ timeout: 60, resources: { memory_mb: 256, cpus: 1 } })
    expect(await live.api.output(own.sandbox_id, 'echo $A $B')).toBe('template own')
    const listed = await live.api.list('?template=small')
    expect(listed.sandboxes.map(({ sandbox_id }) => sandbox_id)).toEqual([plain.sandbox_id, own.sandbox_id])

    await live.api.json('PATCH', '/templates/small', { defaults: { timeout: 90 } })
    const later = await live.api.create({ template: 'small' })
    expect(later).toMatchObject({ timeout: 90, on_timeout: 'delete', resources: { memory_mb: 1024 } })
    expect(await templates.get('small')).toMatchObject({ description: 'for tests', defaults: { timeout: 90 } })
    for (const { sandbox_id } of [plain, own, later]) await live.api.delete(sandbox_id)
    expect(await live.api.json('DELETE', '/templates/small')).toEqual({ name: 'small', status: 'deleted' })
    expect(await live.api.refused('GET', '/templates/small')).toMatchObject({ status: 404, code: 'TEMPLATE_NOT_FOUND' })
  })

  test('what starts with its sandboxes can be read as any process, and is waited for', async () => {
    await templates.create({
      name: 'server',
      image: 'local',
      start_command: 'echo starting; sleep 0.2; touch up; sleep 1000',
      ready: { command: 'test -e up' },
    })
    const { sandbox_id: id } = await live.api.create({ template: 'server' })
    expect(await live.api.output(id, 'ls')).toBe('up')
    const output = await live.api.json('GET', `/sandboxes/${id}/processes/start-command/output`)
    expect(output).toMatchObject({ stdout: 'starting\n', process: { state: 'running', tag: 'start-command' } })
    await live.api.delete(id)
    await live.api.json('PATCH', '/templates/server', { start_command: 'echo no luck >&2; exit 3' })
    expect(await live.api.refused('POST', '/sandboxes', { template: 'server' })).toMatchObject({
      code: 'SANDBOX_START_FAILED',
      output: 'no luck\n',
    })
    await live.api.json('PATCH', '/templates/server', { ready: {}, start_command: '' })
    const plain = await live.api.create({ template: 'server' })
    expect(await live.api.json('GET', `/sandboxes/${plain.sandbox_id}/processes`)).toEqual({ processes: [] })
    await live.api.delete(plain.sandbox_id)
    await live.api.json('DELETE', '/templates/server')
  })

  test('what can not be is told at once, with what to do', async () => {
    expect(await refused({ name: 'Web', image: 'local' })).toMatchObject({ status: 422 })
    expect(await refused({ name: 'web' })).toMatchObject({
      code: 'INVALID_REQUEST',
      detail: expect.stringMatching(/dockerfile.*image/),
    })
    expect(await refused({ name: 'web', image: 'missing' })).toMatchObject({ code: 'TEMPLATE_NOT_FOUND' })
    expect(await refused({ name: 'local', image: 'local' })).toMatchObject({ code: 'INVALID_REQUEST' })
    expect(await refused({ name: 'web', image: 'local', dockerfile: 'FROM x' })).toMatchObject({
      code: 'INVALID_REQUEST',
    })
    expect(await refused({ name: 'web', image: 'local', ready: { timeout: 3 } })).toMatchObject({
      code: 'INVALID_REQUEST',
    })
    expect(await refused({ name: 'web', image: 'local', defaults: { prestart: ['cobol'] } })).toMatchObject({
      code: 'LANGUAGE_UNAVAILABLE',
    })
    expect(await refused({ name: 'web', image: 'local', defaults: { resources: { cpus: 999 } } })).toMatchObject({
      status: 422,
    })
    expect(await refused({ name: 'web', dockerfile: 'FROM x\nADD a b' })).toMatchObject({
      code: 'DOCKERFILE_INVALID',
      detail: expect.stringMatching(/line 2: ADD is not supported; use COPY/),
    })
    expect(await refused({ name: 'web', dockerfile: 'FROM x\nCOPY a b' })).toMatchObject({
      code: 'DOCKERFILE_INVALID',
      detail: expect.stringMatching(/line 2: COPY a: there is no such file.*none was sent/),
    })
    expect(await refused({ name: 'web', dockerfile: 'FROM web' })).toMatchObject({ code: 'INVALID_REQUEST' })
    expect(await refused({ name: 'web', dockerfile: 'FROM x', build_args: { A: 'b' } })).toMatchObject({
      detail: expect.stringMatching(/build_args has A/),
    })
    expect(await refused({ name: 'web', from: 'x', steps: [{ run: 'a', user: 'b' }] })).toMatchObject({ status: 422 })
    for (const path of ['/etc/passwd', '../a', 'a/../../b', '', '.', 'a/'])
      expect(await refused({ name: 'web', dockerfile: 'FROM x', files: [{ path, content: '' }] })).toMatchObject({
        status: 422,
      })
    const twice = [
      { path: 'a', content: '' },
      { path: './a', content: '' },
    ]
    expect(await refused({ name: 'web', dockerfile: 'FROM x', files: twice })).toMatchObject({ status: 422 })
    expect(await live.api.json('GET', '/templates')).toEqual({ templates: [] })
    for (const path of ['/templates/nope', '/templates/N%00', '/templates/nope/builds'])
      expect(await live.api.refused('GET', path)).toMatchObject({ status: 404, code: 'TEMPLATE_NOT_FOUND' })
  })

  test('a name is taken once, and there are only so many', async () => {
    for (let count = 0; count < 5; count++) await templates.create({ name: `t${count}`, image: 'local' })
    expect(await refused({ name: 't0', image: 'local' })).toMatchObject({ status: 409, code: 'TEMPLATE_EXISTS' })
    expect(await refused({ name: 't5', image: 'local' })).toMatchObject({ code: 'TEMPLATE_LIMIT_REACHED' })
    expect(await live.api.refused('POST', '/templates/t0/rebuild')).toMatchObject({ code: 'INVALID_REQUEST' })
    expect(await live.api.refused('GET', '/templates/t0/builds/abcdefghij0123456789')).toMatchObject({
      code: 'BUILD_NOT_FOUND',
    })
    for (let count = 0; count < 5; count++) await live.api.json('DELETE', `/templates/t${count}`)
  })

  test('an engine without isolation builds nothing, and says so', async () => {
    const events = await templates.created({ name: 'web', from: 'local', steps: [{ run: 'true' }] })
    expect(endOf(events)).toMatchObject({
      status: 'failed',
      failure: { message: expect.stringContaining('one folder') },
    })
    expect(await templates.get('web')).toMatchObject({ status: 'failed' })
    expect(await live.api.list()).toMatchObject({ sandboxes: [] })
    await live.api.json('DELETE', '/templates/web')
  })
})

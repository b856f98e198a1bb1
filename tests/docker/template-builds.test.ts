import { describe, expect, test } from 'vitest'
import { endOf, layersOf, outputOf, templatesOf } from '../support/builds.ts'
import { containersOf } from '../support/engine.ts'
import { useEngine, useServer } from '../support/live.ts'
import { waitFor } from '../support/wait-for.ts'

const FROM = 'FROM debian:trixie-slim'
const dockerfile = (...lines: string[]) => [FROM, ...lines].join('\n')

describe('builds of templates', () => {
  const live = useServer()
  const { docker } = useEngine()
  const templates = templatesOf(live)
  const sandbox = async (template: string, command: string): Promise<string> => {
    const { sandbox_id } = await live.api.create({ template, network: 'none' })
    try {
      return await live.api.output(sandbox_id, command)
    } finally {
      await live.api.delete(sandbox_id)
    }
  }

  test('a Dockerfile becomes a template: files, owners, environment, user and folder are as it says', async () => {
    const events = await templates.created({
      name: 'site',
      build: { network: 'none' },
      dockerfile: dockerfile(
        'ARG WHO=nobody',
        'ENV GREETING="hello $WHO"',
        'WORKDIR /srv/site',
        'RUN useradd -m -u 1234 app && echo "$GREETING" > greeting && id -u',
        'COPY --chown=app --chmod=600 secret.txt ./',
        'COPY pages /srv/site/pages/',
        'RUN <<EOF',
        'echo "two lines" > heredoc',
        'echo "$WHO" >> heredoc',
        'EOF',
        'RUN ["sh", "-c", "sleep 1000 & echo left something running"]',
        'USER app',
        'LABEL team=search',
        'EXPOSE 8080',
      ),
      build_args: { WHO: 'world' },
      files: [
        { path: 'secret.txt', content: 'c2VjcmV0', encoding: 'base64' },
        { path: 'pages/index.html', content: '<h1>ä</h1>\n' },
        { path: 'pages/bin/run', content: '#!/bin/sh\necho ran\n', mode: '755' },
      ],
    })
    expect(endOf(events)).toMatchObject({ status: 'ready', steps: 11, cached_steps: 0, failure: null })
    expect(outputOf(events)).toBe('0\nleft something running\n')
    expect(await templates.get('site')).toMatchObject({
      status: 'ready',
      from: 'debian:trixie-slim',
      env: { GREETING: 'hello world' },
      labels: { team: 'search' },
      exposed_ports: ['8080'],
      start_command: null,
    })
    const look =
      'id -un; pwd; cat greeting heredoc secret.txt pages/index.html; pages/bin/run; stat -c "%U %a" secret.txt'
    expect(await sandbox('site', look)).toBe(
      'app\n/srv/site\nhello world\ntwo lines\nworld\nsecret<h1>ä</h1>\nran\napp 600',
    )
    expect(await live.api.list()).toMatchObject({ sandboxes: [] })
  })

  test('steps that were done before are not done again; a changed file does those from there on', async () => {
    const steps = (content: string) => ({
      steps: [
        { workdir: '/data' },
        { run: 'date +%N > made' },
        { copy: { from: ['a.txt'], to: './' } },
        { run: 'cat a.txt; date +%N > after' },
      ],
      files: [{ path: 'a.txt', content }],
    })
    const first = await templates.created({ name: 'cached', from: 'debian:trixie-slim', ...steps('one') })
    expect(endOf(first)).toMatchObject({ status: 'ready', cached_steps: 0 })
    const before = await sandbox('cached', 'cat made after')

    const again = await templates.rebuilt('cached')
    expect(endOf(again)).toMatchObject({ status: 'ready', cached_steps: 4 })
    expect(outputOf(again)).toBe('')
    expect(await sandbox('cached', 'cat made after')).toBe(before)

    const changed = await templates.rebuilt('cached', steps('two'))
    expect(changed.map((event) => event.type === 'step' && event.cached).slice(0, 3)).toEqual([true, true, false])
    expect(outputOf(changed)).toBe('two')
    expect(await sandbox('cached', 'cat made')).toBe(before.split('\n')[0])

    expect(endOf(await templates.rebuilt('cached', { no_cache: true }))).toMatchObject({ cached_steps: 0 })
    const fresh = await sandbox('cached', 'cat made')
    expect(fresh).not.toBe(before.split('\n')[0])
    expect(endOf(await templates.rebuilt('cached'))).toMatchObject({ cached_steps: 4 })
    expect(await sandbox('cached', 'cat made')).toBe(fresh)
  })

  test('a build that fails says at which step and what it printed, and the template stays as it was', async () => {
    const [first, second] = ['RUN echo kept > /file', 'RUN echo out; echo err >&2; exit 7']
    expect(endOf(await templates.created({ name: 'fails', dockerfile: dockerfile(first ?? '') }))).toMatchObject({
      status: 'ready',
    })
    const build = endOf(await templates.rebuilt('fails', { dockerfile: dockerfile(first ?? '', second ?? '') }))
    expect(build).toMatchObject({
      status: 'failed',
      step: 2,
      failure: { step: 2, line: 3, text: second, exit_code: 7, message: expect.stringContaining('exit code 7') },
    })
    expect(build.failure?.output).toMatch(/out\n/)
    expect(build.failure?.output).toMatch(/err\n/)
    expect(await templates.get('fails')).toMatchObject({ status: 'ready', build: { status: 'failed' } })
    expect(await sandbox('fails', 'cat /file')).toBe('kept')
    const never = await templates.create({ name: 'never', dockerfile: dockerfile('USER nosuch', 'RUN true') })
    expect(never).toMatchObject({ status: 'building' })
    expect(await templates.over('never')).toMatchObject({ status: 'failed', failure: { step: 2, line: 3 } })
    expect(await live.api.refused('POST', '/sandboxes', { template: 'never' })).toMatchObject({
      status: 409,
      code: 'TEMPLATE_NOT_READY',
    })
  })

  test('a build can begin with a template, and one without steps that change files costs no image', async () => {
    const images = (await layersOf(docker, live.server.instance)).sort()
    const events = await templates.created({
      name: 'upon',
      dockerfile: 'ARG BASE=site\nFROM $BASE\nENV GREETING=other MORE=$GREETING\nUSER root\nCMD echo $GREETING',
    })
    expect(endOf(events)).toMatchObject({ status: 'ready' })
    expect((await layersOf(docker, live.server.instance)).sort()).toEqual(images)
    expect(await templates.get('upon')).toMatchObject({ start_command: 'echo $GREETING', from: 'site' })
    expect(await sandbox('upon', 'id -un; cat greeting; echo $GREETING $MORE')).toBe(
      'root\nhello world\nother hello world',
    )
    const { sandbox_id: id } = await live.api.create({ template: 'upon' })
    await live.api.json('POST', `/sandboxes/${id}/snapshots`, { name: 'taken' })
    const copy = await live.api.create({ snapshot: 'taken' })
    expect(await live.api.output(copy.sandbox_id, 'id -un; pwd; echo $GREETING $MORE')).toBe(
      'root\n/srv/site\nother hello world',
    )
    for (const made of [id, copy.sandbox_id]) await live.api.delete(made)
    await live.api.json('DELETE', '/snapshots/taken')
  })

  test('one that is cancelled ends at once, and others wait for their turn', async () => {
    const long = await templates.create({ name: 'long', dockerfile: dockerfile('RUN echo begun; sleep 1000') })
    const next = await templates.create({ name: 'next', dockerfile: dockerfile('RUN echo mine') })
    const [longId, nextId] = [long.build?.build_id ?? '', next.build?.build_id ?? '']
    await waitFor('the step to begin', async () => outputOf((await templates.log('long', longId)).events) === 'begun\n')
    expect(await templates.build('next', nextId)).toMatchObject({ status: 'queued' })
    expect(await live.api.refused('POST', '/templates/long/rebuild')).toMatchObject({ code: 'TEMPLATE_NOT_READY' })
    expect(await live.api.json('DELETE', `/templates/long/builds/${longId}`)).toMatchObject({ status: 'cancelled' })
    expect(await templates.build('long', longId)).toMatchObject({ status: 'cancelled' })
    expect(await templates.over('next', nextId)).toMatchObject({ status: 'ready' })
    await waitFor('the sandbox to be gone', async () => (await containersOf(docker, live.server.instance)).length === 0)
  })

  test('the time of a build is limited', async () => {
    const events = await templates.created({
      name: 'slow',
      dockerfile: dockerfile('RUN sleep 1000'),
      build: { timeout: 2 },
    })
    expect(endOf(events)).toMatchObject({ status: 'failed', failure: { message: expect.stringContaining('2 s') } })
  })

  test('a server that is killed during a build knows that it failed, and leaves nothing of it', async () => {
    const { build } = await templates.create({
      name: 'crashed',
      dockerfile: dockerfile('RUN echo kept > /kept', 'RUN echo begun; sleep 1000'),
    })
    const id = build?.build_id ?? ''
    await waitFor('the step to begin', async () => outputOf((await templates.log('crashed', id)).events) === 'begun\n')
    await live.server.kill()
    await live.server.startAgain()
    expect(await templates.build('crashed', id)).toMatchObject({
      status: 'failed',
      failure: { message: expect.stringContaining('restarted') },
    })
    await waitFor('its sandbox to be gone', async () => (await containersOf(docker, live.server.instance)).length === 0)
    const rebuilt = endOf(await templates.rebuilt('crashed', { dockerfile: dockerfile('RUN echo kept > /kept') }))
    expect(rebuilt).toMatchObject({ status: 'ready', cached_steps: 1 })
    expect(await sandbox('site', 'cat greeting')).toBe('hello world')
  })

  test('what starts with a sandbox is ready when the create answers, also after a restart', async () => {
    await templates.created({
      name: 'server',
      dockerfile: dockerfile(
        'WORKDIR /srv',
        'RUN echo up > page',
        'CMD sleep 0.3; echo starting; touch up; sleep 1000',
      ),
      ready: { command: 'test -f up' },
      defaults: { envs: { A: 'template', B: 'template' }, timeout: 77, network: 'none', user: 'root' },
    })
    const { sandbox_id: id, ...made } = await live.api.create({ template: 'server', envs: { B: 'own' } })
    expect(made).toMatchObject({ template: 'server', timeout: 77, network: 'none', user: 'root', cwd: '/srv' })
    expect(await live.api.output(id, 'ls; echo $A $B; rm up')).toBe('page\nup\ntemplate own')
    expect(await live.api.json('GET', `/sandboxes/${id}/processes?tag=start-command`)).toMatchObject({
      processes: [{ process_id: 'start-command', state: 'running' }],
    })
    await live.api.action(id, 'restart')
    expect(await live.api.output(id, 'ls')).toBe('page\nup')
    await live.api.delete(id)

    await live.api.json('PATCH', '/templates/server', { start_command: 'echo no luck; exit 3' })
    const refused = await live.api.refused('POST', '/sandboxes', { template: 'server' })
    expect(refused).toMatchObject({ status: 500, code: 'SANDBOX_START_FAILED', output: 'no luck\n' })
    await live.api.json('PATCH', '/templates/server', { start_command: '', ready: { port: 99, timeout: 1 } })
    expect(await live.api.refused('POST', '/sandboxes', { template: 'server' })).toMatchObject({
      detail: expect.stringContaining('port 99'),
    })
    expect(await live.api.list()).toMatchObject({ sandboxes: [] })
  })

  test('its pool keeps some ready, made anew when the template is', async () => {
    const pool = () => live.api.json<{ ready: number }>('GET', '/pools/cached')
    const full = () => waitFor('a full pool', async () => (await pool()).ready === 1)
    await live.api.json('PATCH', '/templates/cached', { pool_size: 1, start_command: 'date > /started; sleep 1000' })
    await full()
    const warm = await live.api.create({ template: 'cached' })
    expect(warm).toMatchObject({ warm: true, template: 'cached' })
    expect(await live.api.output(warm.sandbox_id, 'test -s /started; cat a.txt')).toBe('two')
    await full()
    // Another environment is not that of what runs already.
    const cold = await live.api.create({ template: 'cached', envs: { A: 'b' } })
    expect(cold.warm).toBe(false)
    await templates.rebuilt('cached', { files: [{ path: 'a.txt', content: 'three' }] })
    const anew = await live.api.create({ template: 'cached' })
    expect(await live.api.output(anew.sandbox_id, 'cat a.txt')).toBe('three')
    for (const { sandbox_id } of [warm, cold, anew]) await live.api.delete(sandbox_id)
    await live.api.json('PATCH', '/templates/cached', { pool_size: 0 })
    expect(await live.api.refused('GET', '/pools/cached')).toMatchObject({ code: 'POOL_NOT_FOUND' })
  })

  test('what happened to them is told', async () => {
    const { events } = await live.api.json<{ events: { type: string; data: { template: string } }[] }>(
      'GET',
      '/events?type=template.built&type=template.failed&limit=1000',
    )
    const told = events.map(({ type, data }) => `${type} ${data.template}`)
    expect(told).toEqual(
      expect.arrayContaining(['template.built site', 'template.failed fails', 'template.failed crashed']),
    )
    expect(told).not.toContain('template.failed long')
  })

  test('deleted templates leave their sandboxes, and no image when those are gone', async () => {
    const { sandbox_id: id } = await live.api.create({ template: 'site' })
    const { templates: all } = await live.api.json<{ templates: { name: string }[] }>('GET', '/templates')
    for (const { name } of all) await live.api.json('DELETE', `/templates/${name}`)
    expect(await live.api.refused('POST', '/sandboxes', { template: 'site' })).toMatchObject({ status: 404 })
    await live.api.action(id, 'restart')
    expect(await live.api.output(id, 'cat greeting')).toBe('hello world')
    await live.api.delete(id)
    await waitFor('the images to be gone', async () => (await layersOf(docker, live.server.instance)).length === 0)
  })
})

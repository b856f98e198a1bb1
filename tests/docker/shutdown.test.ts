import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { containersOf } from '../support/engine.ts'
import { LINKS, useEngine, useServer } from '../support/live.ts'
import { waitFor } from '../support/wait-for.ts'

describe.each(LINKS)('SIGTERM, over the %s link', (link) => {
  const live = useServer({ link, settings: { K2_SHUTDOWN_GRACE: '3' } })
  const { docker } = useEngine()

  test('lets requests in flight finish, refuses new ones, leaves sandboxes running, and the next start takes them over', async () => {
    const { sandbox_id: id } = await live.api.create()
    await live.api.command(id, 'sleep 300 >/dev/null 2>&1 & echo $! > pid')
    const { url } = live.server
    const inFlight = live.api.command(id, 'sleep 1.5; echo finished')
    await waitFor('the command', async () =>
      (await live.api.processes(id)).processes.some(({ state }) => state === 'running'),
    )
    const stopped = live.server.terminate()
    await expect
      .poll(
        () =>
          fetch(`${url}/sandboxes`).then(
            ({ status }) => status,
            () => 'refused',
          ),
        { timeout: 1000 },
      )
      .not.toBe(200)
    expect(await inFlight).toMatchObject({ stdout: 'finished\n', exit_code: 0 })
    expect(await stopped).toBe(0)
    expect((await containersOf(docker, live.server.instance)).map(({ State }) => State)).toEqual(['running'])
    await live.server.startAgain()
    expect(await live.api.output(id, 'kill -0 $(cat pid) && echo the same')).toBe('the same')
    await live.api.delete(id)
  })

  test('ends within its grace when a request would take longer, and kills what that had started', async () => {
    const { sandbox_id: id } = await live.api.create()
    const long = live.api.command(id, 'sleep 37.25').catch(() => 'cut')
    await waitFor('the command', async () => (await live.api.processes(id)).processes.length > 0)
    const started = performance.now()
    expect(await live.server.terminate()).toBe(0)
    expect(performance.now() - started).toBeLessThan(6000)
    expect(await long).toBe('cut')
    await live.server.startAgain()
    expect(await live.api.output(id, 'pgrep -fx "sleep 37.25" || echo none')).toBe('none')
    await live.api.delete(id)
  })

  test('finishes deletes that were answered', async () => {
    const { sandbox_id: id } = await live.api.create()
    await live.api.delete(id)
    expect(await live.server.terminate()).toBe(0)
    expect(await containersOf(docker, live.server.instance)).toEqual([])
    await live.server.startAgain()
  })
})

describe('a second server', () => {
  const live = useServer()

  test('on the same data folder is refused with a sentence, and the first goes on', async () => {
    const { sandbox_id: id } = await live.api.create()
    const second = live.server.spawn()
    let said = ''
    second.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const [code] = await once(second, 'close')
    expect(code).toBe(1)
    expect(said).toMatch(/in use by another server.*K2_DATA_DIR/)
    expect(said).not.toMatch(/\n\s+at /)
    expect(await live.api.output(id, 'echo alive')).toBe('alive')
    await live.api.delete(id)
  })

  test('on the same port is refused with a sentence', async () => {
    const port = new URL(live.server.url).port
    const second = live.server.spawn({ K2_ENGINE: 'local', K2_PORT: port, K2_DATA_DIR: `${live.server.dataDir}/other` })
    let said = ''
    second.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const [code] = await once(second, 'close')
    expect(code).toBe(1)
    expect(said).toMatch(new RegExp(`Port ${port} .*taken.*K2_PORT`))
    expect(said).not.toMatch(/\n\s+at /)
  })
})

describe('fifty creates at once', () => {
  const live = useServer()
  const { docker } = useEngine()

  test('all succeed, all work, and all can be deleted at once', async () => {
    const made = await Promise.all(
      Array.from({ length: 50 }, () => live.api.create({ network: 'none', resources: { memory_mb: 128, cpus: 0.2 } })),
    )
    expect(new Set(made.map(({ sandbox_id }) => sandbox_id)).size).toBe(50)
    const said = await Promise.all(made.map(({ sandbox_id }, index) => live.api.output(sandbox_id, `echo ${index}`)))
    expect(said).toEqual(made.map((_, index) => String(index)))
    expect((await live.api.list('?status=running')).sandboxes).toHaveLength(50)
    await Promise.all(made.map(({ sandbox_id }) => live.api.delete(sandbox_id)))
    expect((await live.api.list()).sandboxes).toEqual([])
    await waitFor(
      'the containers to be gone',
      async () => (await containersOf(docker, live.server.instance)).length === 0,
      { withinMs: 60_000 },
    )
  }, 120_000)
})

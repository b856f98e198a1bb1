import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DEBIAN_IMAGE } from '../../scripts/setup/debian-base.ts'
import { createDockerClient } from '../../src/engine/docker/client.ts'
import type { Answer } from '../support/api.ts'
import { asProblem } from '../support/api.ts'
import { containersOf } from '../support/engine.ts'
import { LINKS, useEngine } from '../support/live.ts'
import { Server } from '../support/server.ts'
import { waitFor } from '../support/wait-for.ts'
import { canRunOwnEngine, type OwnEngine, startOwnEngine } from './own-engine.ts'

describe.skipIf(!canRunOwnEngine())('an engine that goes away under load and comes back', () => {
  const main = useEngine()
  let own: OwnEngine

  beforeAll(async () => {
    own = await startOwnEngine()
    const { docker, close } = createDockerClient(own.host)
    await docker.loadImage(await main.docker.getImage(DEBIAN_IMAGE).get())
    close()
  })
  afterAll(() => own?.[Symbol.asyncDispose]())

  test.each(LINKS)(
    'over the %s link: 503 with Retry-After meanwhile, and all works again without a restart of the server',
    async (link) => {
      await using server = await Server.start({
        link,
        settings: { K2_DOCKER_HOST: own.host, K2_DEFAULT_TEMPLATE: DEBIAN_IMAGE, K2_DEFAULT_MEMORY_MB: '256' },
      })
      const { api, pid } = server
      const create = { network: 'none' } as const
      const { sandbox_id: id } = await api.create(create)
      const { sandbox_id: doomed } = await api.create(create)
      await api.write(id, 'file', 'kept')
      const long = api.send('POST', `/sandboxes/${id}/command`, { command: 'sleep 5; echo long' })

      const answers: Answer[] = []
      let loading = true
      const load = Promise.all(
        Array.from({ length: 4 }, async () => {
          while (loading) {
            answers.push(await api.send('POST', `/sandboxes/${id}/command`, { command: 'echo under load' }))
            answers.push(await api.send('POST', '/sandboxes', { ...create, template: 'k2test/never:1' }))
            await new Promise((resolve) => setTimeout(resolve, 20))
          }
        }),
      )

      await own.stop()
      try {
        const away = await waitFor('the server to see it', async () => {
          const answer = await api.send('GET', '/readyz')
          return answer.status === 503 && answer
        })
        expect(asProblem(away)).toMatchObject({ code: 'ENGINE_UNAVAILABLE' })
        const refused = await api.send('POST', '/sandboxes', create)
        expect(asProblem(refused)).toMatchObject({ status: 503, code: 'ENGINE_UNAVAILABLE' })
        expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
        expect((await api.send('POST', `/sandboxes/${id}/actions`, { action: 'stop' })).status).toBe(503)
        expect(await api.get(id)).toMatchObject({ status: 'running' })
        expect((await api.list()).sandboxes).toHaveLength(2)
        expect(await api.delete(doomed)).toMatchObject({ status: 'deleted' })
        expect(await api.json('GET', '/healthz')).toMatchObject({ status: 'ok' })
        const inside = await api.send('POST', `/sandboxes/${id}/command`, { command: 'echo inside' })
        // The dial link needs no engine.
        if (link === 'dial') expect(JSON.parse(inside.text)).toMatchObject({ stdout: 'inside\n' })
        else {
          expect(asProblem(inside)).toMatchObject({ status: 503 })
          expect(Number(inside.headers.get('retry-after'))).toBeGreaterThan(0)
        }
      } finally {
        await own.start()
      }
      await waitFor('the server to be ready', async () => (await api.send('GET', '/readyz')).status === 200)
      expect(
        await waitFor('commands to work', async () => {
          const { status, text } = await api.send('POST', `/sandboxes/${id}/command`, { command: 'cat file' })
          return status === 200 && JSON.parse(text).stdout
        }),
      ).toBe('kept')
      loading = false
      await load
      for (const answer of answers) {
        if (answer.status === 200) expect(JSON.parse(answer.text).stdout).toBe('under load\n')
        else expect([404, 503], answer.text).toContain(asProblem(answer).status)
      }
      const ended = await long
      if (ended.status === 200) expect(JSON.parse(ended.text)).toMatchObject({ stdout: 'long\n', exit_code: 0 })
      else expect([503], ended.text).toContain(asProblem(ended).status)

      const after = await api.create(create)
      expect(await api.output(after.sandbox_id, 'echo new')).toBe('new')
      const { docker, close } = createDockerClient(own.host)
      await waitFor('the deleted one to be gone', async () => {
        const ids = (await containersOf(docker, server.instance)).map(({ Labels }) => Labels['k2.id'])
        return !ids.includes(doomed)
      })
      close()
      expect(server.pid).toBe(pid)
      for (const one of [id, after.sandbox_id]) await api.delete(one)
      await server.terminate()
    },
    90_000,
  )
})

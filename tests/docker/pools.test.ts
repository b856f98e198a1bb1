import { describe, expect, test } from 'vitest'
import type { PoolList } from '../../schemas/pool.ts'
import { describePools } from '../support/behaviour/pools.ts'
import { containersOf } from '../support/engine.ts'
import { useEngine, useServer } from '../support/live.ts'
import { waitFor } from '../support/wait-for.ts'

describe('pools', () => describePools(useServer({ settings: { K2_POOL_SIZE: '2' } })))

describe('what happens to those that wait', () => {
  const live = useServer({ settings: { K2_POOL_SIZE: '2' } })
  const { docker } = useEngine()
  const waiting = async () => await containersOf(docker, live.server.instance)
  const pool = async () => {
    const [only] = (await live.api.json<PoolList>('GET', '/pools')).pools
    if (only === undefined) throw new Error('there is a pool')
    return only
  }
  const filled = () => waitFor('a full pool', async () => (await pool()).ready === 2, { withinMs: 45_000 })

  test('one that is killed, frozen or removed is not given away, and replaced', async () => {
    for (const harm of ['kill', 'pause', 'remove'] as const) {
      await filled()
      for (const { Id } of await waiting())
        await docker.getContainer(Id)[harm](harm === 'remove' ? { force: true } : {})
      const made = await live.api.create()
      expect(await live.api.output(made.sandbox_id, 'echo alive')).toBe('alive')
      await live.api.delete(made.sandbox_id)
      await filled()
      await waitFor('the others to be gone', async () => (await waiting()).length === 2)
    }
  })

  test('who leaves while one is asked whether it is well takes none away', async () => {
    await filled()
    const before = await waiting()
    const agents = await Promise.all(before.map(async ({ Id }) => (await docker.getContainer(Id).inspect()).State.Pid))
    for (const pid of agents) process.kill(pid, 'SIGSTOP')
    try {
      const left = live.api.send('POST', '/sandboxes', {}, { signal: AbortSignal.timeout(150) })
      await expect(left).rejects.toThrow()
    } finally {
      for (const pid of agents) process.kill(pid, 'SIGCONT')
    }
    await filled()
    const made = [await live.api.create(), await live.api.create()]
    for (const { sandbox_id: id } of made) {
      expect((await live.api.get(id)).warm).toBe(true)
      await live.api.delete(id)
    }
    await filled()
    await waitFor('all of before to be gone', async () => {
      const now = new Set((await waiting()).map(({ Id }) => Id))
      return now.size === 2 && !before.some(({ Id }) => now.has(Id))
    })
  })

  test('a server that is killed while it fills leaves nothing behind that the next one does not know', async () => {
    await filled()
    for (let round = 0; round < 2; round++) {
      const made = await live.api.create()
      await waitFor('the next one to be begun', async () => (await waiting()).length > 2)
      await live.server.kill()
      await live.server.startAgain()
      expect(await live.api.output(made.sandbox_id, 'echo mine')).toBe('mine')
      await live.api.delete(made.sandbox_id)
      await filled()
      await waitFor('all others to be gone', async () => (await waiting()).length === 2)
    }
  })

  test('another folder and another user are made known as it is given away, or refused, and then nothing stays', async () => {
    await filled()
    const made = await live.api.create({ cwd: '/srv/deep/er', user: 'root' })
    expect(made).toMatchObject({ warm: true, cwd: '/srv/deep/er', user: 'root' })
    expect(await live.api.output(made.sandbox_id, 'pwd; id -un; echo x > f; ls')).toBe('/srv/deep/er\nroot\nf')
    await live.api.delete(made.sandbox_id)
    await filled()
    for (const [body, code] of [
      [{ user: 'nobody-of-this-name' }, 'USER_NOT_FOUND'],
      [{ cwd: '/etc/passwd' }, 'CWD_NOT_A_DIRECTORY'],
    ] as const) {
      expect(await live.api.refused('POST', '/sandboxes', body)).toMatchObject({ code })
      expect((await live.api.list()).sandboxes).toEqual([])
    }
    await filled()
    await waitFor('the others to be gone', async () => (await waiting()).length === 2)
  })

  test('when the name leads to another image, no create gets the old one', async () => {
    const engine = docker
    const tag = `k2test/pool-${live.server.instance}`
    await filled()
    const [one] = await waiting()
    if (!one) throw new Error('a container waits')
    const image = engine.getImage('k2data/sandbox-base:latest')
    await image.tag({ repo: tag, tag: 'latest' })
    try {
      await live.api.json('PUT', '/pools/moving', { template: `${tag}:latest`, size: 1 })
      const moving = async () => (await live.api.json<{ ready: number }>('GET', '/pools/moving')).ready === 1
      await waitFor('it to be ready', moving)
      // Another image of that name: the old one with another label.
      await engine.getContainer(one.Id).commit({ repo: tag, tag: 'latest', changes: 'ENV GENERATION=2' })
      const made = await live.api.create({ template: `${tag}:latest` })
      expect(await live.api.output(made.sandbox_id, 'echo $GENERATION')).toBe('2')
      await live.api.delete(made.sandbox_id)
      // The old one was dropped by the create that could not have it.
      await waitFor('a new one to be ready', moving)
      const warm = await live.api.create({ template: `${tag}:latest` })
      expect(warm.warm).toBe(true)
      expect(await live.api.output(warm.sandbox_id, 'echo $GENERATION')).toBe('2')
      await live.api.delete(warm.sandbox_id)
    } finally {
      await live.api.send('DELETE', '/pools/moving')
      // An image that a container still uses would only lose its name.
      await waitFor('its sandboxes to be gone', async () =>
        (await waiting()).every(({ Image }) => !Image.includes(tag)),
      )
      await waitFor('its image to be free', async () => {
        await engine
          .getImage(`${tag}:latest`)
          .remove({ force: true })
          .catch(() => undefined)
        return (await engine.listImages({ filters: { reference: [tag] } })).length === 0
      })
    }
  })
})

import { expect, onTestFinished, test } from 'vitest'
import type { PoolInfo, PoolList, PoolUpdate } from '../../../schemas/pool.ts'
import type { SandboxCreate } from '../../../schemas/sandbox.ts'
import { unique } from '../api.ts'
import type { Live } from '../live.ts'
import { waitFor } from '../wait-for.ts'

/** Pools as their users see them, on every engine. The server's own pool must have the size 2. */
export function describePools(live: Live): void {
  const pools = async () => (await live.api.json<PoolList>('GET', '/pools')).pools
  const filled = (name = 'default') =>
    waitFor(
      `the pool ${name} to be full`,
      async () => {
        const pool = (await pools()).find((one) => one.name === name)
        return pool !== undefined && pool.ready === pool.size && pool
      },
      { withinMs: 45_000 },
    )
  const define = async (name: string, pool: PoolUpdate) => {
    await live.api.json<PoolInfo>('PUT', `/pools/${name}`, pool)
    onTestFinished(async () => void (await live.api.send('DELETE', `/pools/${name}`)))
    return await filled(name)
  }
  const create = async (body: SandboxCreate = {}) => {
    const made = await live.api.create(body)
    onTestFinished(async () => void (await live.api.send('DELETE', `/sandboxes/${made.sandbox_id}`)))
    return made
  }

  test('a create gets one that was ready, and it is made up for; nobody sees those that wait', async () => {
    await filled()
    expect((await live.api.list()).sandboxes).toEqual([])
    const before = Date.now()
    const made = await create({ name: unique('warm'), metadata: { a: 'b' }, envs: { WHO: 'me' }, timeout: 77 })
    expect(made).toMatchObject({ warm: true, created: true, status: 'running', metadata: { a: 'b' }, timeout: 77 })
    expect(Date.parse(made.created_at)).toBeGreaterThanOrEqual(before - 1)
    expect(await live.api.get(made.sandbox_id)).toMatchObject({ warm: true, name: made.name })
    expect(await live.api.output(made.sandbox_id, 'echo $WHO')).toBe('me')
    expect((await live.api.list()).sandboxes.map((one) => one.sandbox_id)).toEqual([made.sandbox_id])
    expect(await filled()).toMatchObject({ claimed: expect.any(Number), fault: null })
  })

  test('eight creates at once get eight sandboxes, and each of those that were ready once', async () => {
    await filled()
    const made = await Promise.all(Array.from({ length: 8 }, () => create()))
    expect(new Set(made.map((one) => one.sandbox_id)).size).toBe(8)
    expect(made.filter((one) => one.warm).length).toBeGreaterThanOrEqual(2)
    for (const { sandbox_id: id } of made) expect(await live.api.output(id, 'ls | wc -l; echo > mark')).toBe('0')
  })

  test('other limits are set as it is given away', async () => {
    await filled()
    const made = await create({ resources: { memory_mb: 333, pids: 200 } })
    expect(made).toMatchObject({ warm: true, resources: { cpus: 1, memory_mb: 333, pids: 200, disk_mb: null } })
    expect(await live.api.output(made.sandbox_id, 'echo fine')).toBe('fine')
  })

  test('what is wrong with a create is told as ever, and takes nothing from the pool', async () => {
    const { claimed } = await filled()
    const name = unique('taken')
    await create({ name, network: 'none' })
    expect(await live.api.refused('POST', '/sandboxes', { name })).toMatchObject({ code: 'NAME_TAKEN' })
    expect(await filled()).toMatchObject({ claimed })
  })

  test('a pool of its own has what it was told to start ahead, but not with another environment', async () => {
    const pool = await define('ahead', { size: 2, network: 'none', prestart: ['python'] })
    expect(pool).toMatchObject({ name: 'ahead', network: 'none', prestart: ['python'], ready: 2 })
    const contexts = async (id: string) =>
      (await live.api.json<{ contexts: { context_id: string }[] }>('GET', `/sandboxes/${id}/contexts`)).contexts
    const made = await create({ network: 'none' })
    expect(made.warm).toBe(true)
    expect(await contexts(made.sandbox_id)).toMatchObject([{ context_id: 'default-python' }])
    expect(await live.api.code(made.sandbox_id, '6 * 7')).toMatchObject({ text: '42', state_lost: false })
    const other = await create({ network: 'none', envs: { WHO: 'me' } })
    expect(other.warm).toBe(true)
    expect(await contexts(other.sandbox_id)).toEqual([])
    expect(await live.api.code(other.sandbox_id, 'import os; os.environ["WHO"]')).toMatchObject({ text: "'me'" })
  })

  test('pools are listed, changed and deleted; that of the settings stays as it is', async () => {
    const name = unique('pool')
    expect(await define(name, { size: 1 })).toMatchObject({ name, size: 1, prestart: [] })
    expect((await pools()).map((one) => one.name)).toEqual(['default', name])
    expect(await live.api.json('PUT', `/pools/${name}`, { size: 0 })).toMatchObject({ size: 0 })
    await filled(name)
    expect(await live.api.json('DELETE', `/pools/${name}`)).toEqual({ name, status: 'deleted' })
    expect(await live.api.refused('GET', `/pools/${name}`)).toMatchObject({ status: 404, code: 'POOL_NOT_FOUND' })
    expect(await live.api.refused('PUT', '/pools/default', { size: 9 })).toMatchObject({
      code: 'INVALID_REQUEST',
      detail: expect.stringContaining('K2_POOL_SIZE'),
    })
    expect(await live.api.refused('PUT', `/pools/${name}`, { size: 99 })).toMatchObject({
      code: 'INVALID_REQUEST',
      detail: expect.stringContaining('K2_MAX_POOLED'),
    })
    const missing = { size: 1, template: 'no-such-image:1' }
    expect((await live.api.refused('PUT', `/pools/${name}`, missing)).code).toBe('TEMPLATE_NOT_FOUND')
    expect((await live.api.refused('PUT', `/pools/${name}`, { size: 1, prestart: ['latin'] })).code).toBe(
      'LANGUAGE_UNAVAILABLE',
    )
  })

  test('a pool that changes keeps its figures, and what was made for it before is not given away', async () => {
    const name = unique('changed')
    await define(name, { size: 1, network: 'none' })
    expect(await create({ network: 'none' })).toMatchObject({ warm: true })
    await filled(name)
    expect(await live.api.json('PUT', `/pools/${name}`, { size: 1, network: 'none' })).toMatchObject({
      ready: 1,
      claimed: 1,
    })
    const other = { network: 'none', resources: { memory_mb: 256 } } as const
    const changed = { ...other, size: 1 }
    expect(await live.api.json('PUT', `/pools/${name}`, changed)).toMatchObject({ ready: 0, claimed: 1 })
    await filled(name)
    expect(await create(other)).toMatchObject({ warm: true, network: 'none', resources: { memory_mb: 256 } })
  })

  test('those that wait are used after a restart of the server, and gone when it wants none any more', async () => {
    await filled()
    await live.server.kill()
    await live.server.startAgain()
    const [pool] = await pools()
    expect(pool?.ready).toBe(2)
    expect(await create()).toMatchObject({ warm: true })
    await filled()
    await live.server.kill()
    await live.server.startAgain({ K2_DEFAULT_MEMORY_MB: '300' })
    // Made with other limits than its pool has now.
    expect((await filled()).resources).toMatchObject({ memory_mb: 300 })
    const smaller = await create()
    expect(smaller).toMatchObject({ warm: true, resources: { memory_mb: 300 } })
    await live.server.kill()
    await live.server.startAgain({ K2_POOL_SIZE: '0' })
    expect(await pools()).toEqual([])
    expect(await create()).toMatchObject({ warm: false })
    await live.server.terminate()
    await live.server.startAgain()
    await filled()
  })
}

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { SandboxForks, SnapshotInfo, SnapshotList } from '../../schemas/snapshot.ts'
import type { Static } from '../../schemas/typebox.ts'
import { describeSnapshots } from '../support/behaviour/snapshots.ts'
import { useEngine, useServer } from '../support/live.ts'
import { waitFor } from '../support/wait-for.ts'

const live = useServer({ settings: { K2_DEFAULT_TEMPLATE: 'debian:trixie-slim' } })
describeSnapshots(live)

describe('images of snapshots', () => {
  const { docker } = useEngine()
  const images = () =>
    docker.listImages({
      all: true,
      filters: JSON.stringify({ label: [`k2.instance=${live.server.instance}`] }),
    } as object)
  const noImages = () => waitFor('the images to be gone', async () => (await images()).length === 0)
  const snapshot = (id: string, body: object = {}) =>
    live.api.json<SnapshotInfo>('POST', `/sandboxes/${id}/snapshots`, body)
  const fork = (id: string) => live.api.json<Static<typeof SandboxForks>>('POST', `/sandboxes/${id}/fork`)
  const list = async () => (await live.api.json<Static<typeof SnapshotList>>('GET', '/snapshots')).snapshots
  const remove = (key: string) => live.api.json('DELETE', `/snapshots/${key}`)

  test("say what the sandbox's image says, keep nothing of ours, are no template by name, and go when unused", async () => {
    const { sandbox_id: id } = await live.api.create({ envs: { SECRET: 'of the sandbox' } })
    await live.api.write(id, 'file', 'x'.repeat(1_000_000))
    const taken = await snapshot(id)
    expect(taken.size_bytes).toBeGreaterThan(900_000)
    expect(taken.size_bytes).toBeLessThan(2_000_000)
    const [image] = await images()
    const { Config } = await docker.getImage(image?.Id ?? '').inspect()
    const origin = await docker.getImage('debian:trixie-slim').inspect()
    expect(Config.Cmd).toEqual(origin.Config.Cmd)
    expect(Config.Entrypoint ?? []).toEqual([])
    expect(Config.Volumes).toEqual(origin.Config.Volumes)
    expect(JSON.stringify(Config)).not.toContain('of the sandbox')
    // Names alone take a variable out; none of ours has a value.
    expect(Config.Env.filter((pair) => /^(K2_|GO|LD_).*=/.test(pair))).toEqual([])
    for (const template of [image?.Id ?? '', image?.RepoTags?.[0] ?? ''])
      expect(await live.api.refused('POST', '/sandboxes', { template })).toMatchObject({ code: 'TEMPLATE_NOT_FOUND' })
    // A snapshot of what was made of a snapshot stands on it.
    const copy = await live.api.create({ snapshot: taken.snapshot_id })
    const second = await snapshot(copy.sandbox_id)
    await remove(taken.snapshot_id)
    for (const one of [id, copy.sandbox_id]) await live.api.delete(one)
    const again = await live.api.create({ snapshot: second.snapshot_id })
    expect(await live.api.output(again.sandbox_id, 'wc -c < file; echo "$SECRET"')).toBe('1000000\nof the sandbox')
    await remove(second.snapshot_id)
    expect(await images()).toHaveLength(2)
    await live.api.delete(again.sandbox_id)
    await noImages()
  })

  test('that somebody removed are told as lost, and nothing can be made of them', async () => {
    const { sandbox_id: id } = await live.api.create()
    const { snapshot_id } = await snapshot(id, { name: 'lost-one' })
    for (const { Id } of await images()) await docker.getImage(Id).remove()
    expect(await live.api.refused('POST', '/sandboxes', { snapshot: 'lost-one' })).toMatchObject({
      status: 409,
      code: 'SNAPSHOT_LOST',
    })
    expect(await live.api.json('GET', `/snapshots/${snapshot_id}`)).toMatchObject({ status: 'lost' })
    await remove(snapshot_id)
    await live.api.delete(id)
  })

  test.each([
    ['snapshots', [40, 120]],
    ['fork', [250]],
  ] as const)('a server that is killed during %s leaves none without an answer', async (path, delaysMs) => {
    const { sandbox_id: id } = await live.api.create()
    await live.api.write(id, 'file', 'kept')
    for (const delayMs of delaysMs) {
      const answer = live.api
        .json<{ snapshot_id: string } & Static<typeof SandboxForks>>('POST', `/sandboxes/${id}/${path}`)
        .catch(() => null)
      await sleep(delayMs)
      await live.server.kill()
      await live.server.startAgain()
      const answered = await answer
      const taken = (await list()).map(({ snapshot_id }) => snapshot_id)
      if (answered?.snapshot_id) expect(taken).toContain(answered.snapshot_id)
      for (const one of taken) await remove(one)
      const { sandboxes } = await live.api.list()
      const ids = sandboxes.map(({ sandbox_id }) => sandbox_id)
      for (const { sandbox_id } of answered?.sandboxes ?? []) expect(ids).toContain(sandbox_id)
      for (const one of ids) if (one !== id) await live.api.delete(one)
      // The engine ends what it had begun, and the sandbox goes on.
      await waitFor('the sandbox to run', async () => (await live.api.get(id)).status === 'running')
      expect(await live.api.read(id, 'file')).toBe('kept')
      await noImages()
    }
    await live.api.delete(id)
  })

  test('are found again without the database, those of forks go with the forks', async () => {
    const { sandbox_id: id } = await live.api.create({ user: 'root' })
    await live.api.write(id, 'file', 'kept')
    const taken = await snapshot(id, { name: 'found-again', metadata: { gone: '1' } })
    const forked = (await fork(id)).sandboxes[0]?.sandbox_id ?? ''
    expect(await images()).toHaveLength(2)
    await live.server.kill()
    for (const file of ['k2.db', 'k2.db-wal', 'k2.db-shm']) await rm(join(live.server.dataDir, file), { force: true })
    await live.server.startAgain()
    expect(await list()).toEqual([{ ...taken, metadata: {}, size_bytes: 0 }])
    const copy = await live.api.create({ snapshot: 'found-again' })
    expect(copy.user).toBe('root')
    expect(await live.api.read(copy.sandbox_id, 'file')).toBe('kept')
    await live.api.action(forked, 'restart')
    await remove('found-again')
    for (const one of [id, forked, copy.sandbox_id]) await live.api.delete(one)
    await noImages()
  })
})

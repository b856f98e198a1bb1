import type Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DEBIAN_IMAGE } from '../../scripts/setup/debian-base.ts'
import { containersOf } from '../support/engine.ts'
import { useEngine, useServer } from '../support/live.ts'

const ID = 'foreign0000000000000'

describe('containers that are not ours', () => {
  const live = useServer()
  const { docker } = useEngine()
  const foreign: Docker.Container[] = []

  /** A container as somebody else would start it, with labels as ours would have. */
  async function runForeign(labels: Record<string, string>): Promise<Docker.Container> {
    const container = await docker.createContainer({
      Image: DEBIAN_IMAGE,
      Cmd: ['sleep', '600'],
      Labels: labels,
      name: `k2t-foreign-${live.server.instance}-${foreign.length}`,
      HostConfig: { NetworkMode: 'none' },
    })
    foreign.push(container)
    await container.start()
    return container
  }

  beforeAll(async () => {
    const { instance } = live.server
    await runForeign({})
    await runForeign({
      'k2.id': ID,
      'k2.kind': 'sandbox',
      'k2.instance': instance,
      'k2.link': 'exec',
      'k2.record': '{}',
      'k2.signature': '0'.repeat(64),
    })
    // A real sandbox's labels, copied: signed, but of another container.
    const { sandbox_id } = await live.api.create()
    const [real] = (await containersOf(docker, instance)).filter(({ Labels }) => Labels['k2.id'] === sandbox_id)
    await runForeign({ ...real?.Labels, 'k2.id': 'foreign1111111111111' })
    await live.api.delete(sandbox_id)
  })
  afterAll(async () => {
    for (const container of foreign) await container.remove({ force: true })
  })

  test('are not listed, and no route knows them by name, by id or by a part of it', async () => {
    expect((await live.api.list()).sandboxes).toEqual([])
    const names = [ID, 'foreign1111111111111']
    for (const container of foreign) {
      const { Id, Name } = await container.inspect()
      names.push(Id, Id.slice(0, 12), Id.slice(0, 20), Name.slice(1))
    }
    for (const name of names) {
      expect(await live.api.refused('GET', `/sandboxes/${name}`)).toMatchObject({
        status: 404,
        code: 'SANDBOX_NOT_FOUND',
      })
      expect(await live.api.refused('DELETE', `/sandboxes/${name}`)).toMatchObject({ status: 404 })
      expect(await live.api.refused('POST', `/sandboxes/${name}/command`, { command: 'true' })).toMatchObject({
        status: 404,
      })
      expect(await live.api.refused('POST', `/sandboxes/${name}/actions`, { action: 'kill' })).toMatchObject({
        status: 404,
      })
    }
  })

  test('are neither adopted nor touched by a start of the server', async () => {
    await live.server.kill()
    await live.server.startAgain()
    expect((await live.api.list()).sandboxes).toEqual([])
    for (const container of foreign) expect((await container.inspect()).State.Running).toBe(true)
  })

  test('a part of the id of a sandbox is not its id', async () => {
    const { sandbox_id: id } = await live.api.create()
    for (const part of [
      id.slice(0, 12),
      id.slice(0, 19),
      id.toUpperCase(),
      `${id}0`,
      ` ${id}`,
      `${id}%00`,
      `${id}%0a`,
    ]) {
      expect((await live.api.send('GET', `/sandboxes/${encodeURI(part)}`)).status, part).toBe(404)
    }
    const [container] = (await containersOf(docker, live.server.instance)).filter(
      ({ Labels }) => Labels['k2.id'] === id,
    )
    for (const name of [container?.Id ?? '', container?.Id.slice(0, 20) ?? '', container?.Names[0]?.slice(1) ?? '']) {
      if (name !== id) expect((await live.api.send('GET', `/sandboxes/${name}`)).status, name).toBe(404)
    }
    await live.api.delete(id)
  })
})

describe('two servers on one engine', () => {
  const one = useServer()
  const other = useServer()

  test('do not see, adopt or touch the sandboxes of each other', async () => {
    const mine = await one.api.create()
    const theirs = await other.api.create()
    await one.server.kill()
    await one.server.startAgain()
    expect((await one.api.list()).sandboxes.map(({ sandbox_id }) => sandbox_id)).toEqual([mine.sandbox_id])
    expect((await other.api.list()).sandboxes.map(({ sandbox_id }) => sandbox_id)).toEqual([theirs.sandbox_id])
    expect((await one.api.refused('DELETE', `/sandboxes/${theirs.sandbox_id}`)).status).toBe(404)
    expect(await other.api.output(theirs.sandbox_id, 'echo alive')).toBe('alive')
  })
})

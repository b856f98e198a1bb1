import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Readiness } from '../../schemas/health.ts'
import { type ContainerKind, LABEL, signLabels } from '../../src/engine/docker/labels.ts'
import { containerOf } from '../support/engine.ts'
import { useEngine, useServer } from '../support/live.ts'
import { waitFor } from '../support/wait-for.ts'
import { openHarness } from './engine-harness.ts'

const { docker } = useEngine()

const helper = (labels: Record<string, string>): Promise<Docker.Container> =>
  docker.createContainer({ Image: 'k2-scratch:1', Entrypoint: ['/none'], Labels: labels })
const labelsOf = (secret: Buffer, instance: string, id: string, kind: ContainerKind = 'filler') =>
  signLabels(secret, { kind, id, instance, link: 'exec', record: '{}' })
const isThere = (thing: Docker.Container | Docker.Volume) =>
  (thing.inspect() as Promise<unknown>).then(
    () => true,
    () => false,
  )

describe('a start after a crash', () => {
  const live = useServer({ link: 'exec' })
  const foreign: (Docker.Container | Docker.Volume)[] = []
  const ours: (Docker.Container | Docker.Volume)[] = []
  const folderOf = (name: string) => join(live.server.dataDir, 'run', name)

  beforeAll(async () => {
    const { instance, dataDir } = live.server
    const secret = Buffer.from(readFileSync(join(dataDir, 'secret'), 'utf8'), 'hex')
    const signed = (id: string, kind?: ContainerKind) => labelsOf(secret, instance, id.padEnd(20, '0'), kind)
    await live.server.kill()
    ours.push(
      await helper(signed('filler')),
      await helper(signed('probe', 'probe')),
      // Made, and never answered with.
      await helper(signed('halfmade', 'sandbox')),
      await docker.createVolume({ Name: 'k2-agent-00000000000000000000', Labels: { [LABEL.instance]: instance } }),
    )
    foreign.push(
      await helper({ ...signed('changed'), [LABEL.id]: 'other000000000000000' }),
      await helper(labelsOf(Buffer.alloc(32, 1), instance, 'anothersecret0000000')),
      await helper(labelsOf(secret, `${instance}-2`, 'anotherinstance00000')),
      await helper({ [LABEL.instance]: instance }),
      await docker.createVolume({
        Name: 'k2-agent-11111111111111111111',
        Labels: { [LABEL.instance]: `${instance}-2` },
      }),
      await docker.createVolume({ Name: `not-ours-${instance}`, Labels: { [LABEL.instance]: instance } }),
    )
    for (const name of ['abcdefghij0123456789', 'not-an-id']) mkdirSync(folderOf(name), { recursive: true })
    await live.server.startAgain()
  })
  afterAll(async () => {
    for (const one of [...foreign, ...ours]) await one.remove({ force: true }).catch(() => undefined)
  })

  test('removes all that is ours, and nothing that only looks so', async () => {
    for (const one of ours) await waitFor('it to be gone', async () => !(await isThere(one)))
    for (const one of foreign) expect(await isThere(one)).toBe(true)
    expect(existsSync(folderOf('abcdefghij0123456789'))).toBe(false)
    expect(existsSync(folderOf('not-an-id'))).toBe(true)
    expect((await live.api.list()).sandboxes).toEqual([])
  })

  test('tells of those that carry its name without its signature', async () => {
    await waitFor('the figures', async () => {
      const { leftovers } = await live.api.json<Readiness>('GET', '/readyz')
      return leftovers.strangers === 3
    })
    expect(live.server.output).toMatch(/3 containers carry the name of this instance .* without its signature/)
  })

  test('leaves no stream of the server before it in a sandbox', async () => {
    const { sandbox_id: id } = await live.api.create()
    const container = await containerOf(docker, live.server.instance, id)
    const streams = async () => {
      const { Processes } = (await container.top()) as { Processes: string[][] }
      return Processes.filter((words) => words.join(' ').includes('agent connect')).length
    }
    await live.server.kill()
    await live.server.startAgain()
    expect(await live.api.output(id, 'echo alive')).toBe('alive')
    await waitFor('one stream', async () => (await streams()) === 1)
    await live.api.delete(id)
  })
})

test('every so often: what was seen before and is still there is removed, what is under way is not', async () => {
  await using harness = await openHarness()
  const { engine, instance, dataDir } = harness
  const { id } = await harness.sandbox()
  const left = await helper(labelsOf(Buffer.alloc(32, 5), instance, 'filler00000000000000'))
  const stranger = await helper(labelsOf(Buffer.alloc(32, 6), instance, 'filler00000000000000'))
  mkdirSync(join(dataDir, 'run', 'abcdefghij0123456789'))
  try {
    expect(await engine.removeLeftovers()).toEqual({ helpers: 0, linkFolders: 1, agentVolumes: 0, strangers: 1 })
    expect(await engine.removeLeftovers()).toEqual({ helpers: 0, linkFolders: 0, agentVolumes: 0, strangers: 1 })
    expect(await isThere(left)).toBe(true)
    expect(await engine.removeLeftovers()).toEqual({ helpers: 1, linkFolders: 0, agentVolumes: 0, strangers: 1 })
    expect(await isThere(left)).toBe(false)
    expect(await isThere(stranger)).toBe(true)
    expect((await engine.list()).map((one) => one.id)).toEqual([id])
    expect(existsSync(join(dataDir, 'run', id))).toBe(true)
  } finally {
    await stranger.remove({ force: true })
  }
})

import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Docker from 'dockerode'
import { createDockerClient } from '../../src/engine/docker/client.ts'
import { createDockerEngine } from '../../src/engine/docker/docker-engine.ts'
import { dockerHost } from '../setup/docker-host.ts'
import { agentBinary } from './agent-binary.ts'
import { describeEngine } from './describe-engine.ts'

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

for (const link of ['dial', 'exec'] as const) {
  describeEngine(`docker engine, link ${link}`, async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'k2-docker-'))
    const instance = `test-contract-${randomBytes(4).toString('hex')}`
    const secret = randomBytes(32)
    const make = () =>
      createDockerEngine({ dockerHost: dockerHost(), instance, secret, dataDir, agentBinary: agentBinary(), link, log })
    const { docker, close } = createDockerClient(dockerHost())
    let engine = make()
    await engine.open()
    return {
      engine,
      restart: async () => {
        await engine.close()
        engine = make()
        await engine.open()
        return engine
      },
      template: 'debian:trixie-slim',
      killBehindOurBack: async ({ ref }) => {
        await docker.getContainer(ref).kill({ signal: 'SIGKILL' })
      },
      removeBehindOurBack: async ({ ref }) => {
        await docker.getContainer(ref).remove({ force: true, v: true })
      },
      leftovers: async (id) => {
        const containers = await docker.listContainers({ all: true, filters: { label: [`k2.id=${id}`] } })
        const folder = join(dataDir, 'run', id)
        return [...containers.map(({ Id }) => Id), ...(existsSync(folder) ? [folder] : [])]
      },
      close: async () => {
        const left = await docker.listContainers({ all: true, filters: { label: [`k2.instance=${instance}`] } })
        await Promise.all(left.map(({ Id }) => docker.getContainer(Id).remove({ force: true, v: true })))
        await engine.close()
        await removeShared(docker, instance)
        close()
        await rm(dataDir, { recursive: true, force: true })
      },
    }
  })
}

/** The network and the agent's volume, when this instance made it and nobody else uses it: a sandbox of another one may. */
async function removeShared(docker: Docker, instance: string): Promise<void> {
  const filters = { label: [`k2.instance=${instance}`] }
  for (const { Id } of await docker.listNetworks({ filters })) await docker.getNetwork(Id).remove()
  const { Volumes } = await docker.listVolumes({ filters: JSON.stringify(filters) } as object)
  for (const { Name } of Volumes) await docker.getVolume(Name).remove().catch(ignoreInUse)
}

function ignoreInUse(error: unknown): void {
  if ((error as { statusCode?: number }).statusCode !== 409) throw error
}

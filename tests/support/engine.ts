import type Docker from 'dockerode'
import { createDockerClient } from '../../src/engine/docker/client.ts'
import { dockerHost } from '../setup/docker-host.ts'
import { waitFor } from './wait-for.ts'

/** The engine itself, for looking at what the server did and for doing things behind its back. */
export function openEngine(): { docker: Docker; close: () => void } {
  return createDockerClient(dockerHost())
}

/** Every container of an instance, running or not. */
export async function containersOf(docker: Docker, instance: string): Promise<Docker.ContainerInfo[]> {
  const filters = { label: [`k2.instance=${instance}`] }
  return await docker.listContainers({ all: true, filters })
}

/** The container of one sandbox; throws when there is none or more than one. */
export async function containerOf(docker: Docker, instance: string, sandboxId: string): Promise<Docker.Container> {
  const all = await containersOf(docker, instance)
  const [only, ...others] = all.filter(({ Labels }) => Labels['k2.id'] === sandboxId)
  if (!only || others.length > 0) throw new Error(`${sandboxId} has ${others.length + (only ? 1 : 0)} containers`)
  return docker.getContainer(only.Id)
}

/** Takes off the engine whatever carries the instance's label: containers, networks, and the agent's volume when nobody else uses it. */
export async function removeInstance(docker: Docker, instance: string): Promise<void> {
  await waitFor(`the containers of ${instance} to be gone`, async () => {
    const containers = await containersOf(docker, instance)
    // 409: somebody is removing it already.
    for (const { Id } of containers) {
      await docker.getContainer(Id).remove({ force: true, v: true }).catch(ignore(404, 409))
    }
    return containers.length === 0
  })
  const filters = { label: [`k2.instance=${instance}`] }
  await waitFor(`the networks of ${instance} to be gone`, async () => {
    const networks = await docker.listNetworks({ filters })
    // 403: the endpoint of a container that was just removed is still there.
    for (const { Id } of networks) await docker.getNetwork(Id).remove().catch(ignore(403, 404))
    return networks.length === 0
  })
  await waitFor(`the images of ${instance} to be gone`, async () => {
    const images = await docker.listImages({ all: true, filters: JSON.stringify(filters) } as object)
    // 409: another one is made of it, and goes first.
    for (const { Id } of images) await docker.getImage(Id).remove({ noprune: true }).catch(ignore(404, 409))
    return images.length === 0
  })
  const { Volumes } = await docker.listVolumes({ filters })
  for (const { Name } of Volumes) await docker.getVolume(Name).remove().catch(ignore(404, 409))
}

function ignore(...statuses: number[]) {
  return (error: { statusCode?: number }) => {
    if (!statuses.includes(error.statusCode ?? 0)) throw error
  }
}

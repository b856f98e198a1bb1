import { containersOf } from '../support/engine.ts'
import { parsed, send } from './client.ts'
import { LINK_PROCESS } from './faults.ts'
import type { KnownSandbox } from './model.ts'
import { findProcesses } from './processes.ts'
import type { World } from './world.ts'

type Container = Awaited<ReturnType<typeof containersOf>>[number]

interface Listed {
  sandbox_id: string
  status: string
  reason: string | null
  name: string | null
  metadata: Record<string, string>
}

/** Seconds that a sandbox may outlive its timeout, and one second between two looks of the server. */
const LATE_MS = 5000

/** The engine's word for each status of ours. */
const ENGINE_STATES: Record<string, string[]> = {
  running: ['running'],
  paused: ['paused'],
  stopped: ['exited', 'created', 'dead'],
  failed: ['exited', 'created', 'dead', 'missing'],
}

/**
 * What is wrong now: one sentence each, empty when every invariant holds. Some need a moment after a fault, so this is asked again
 * until a deadline. Adopts what an unanswered create has made, and forgets what is over.
 */
export async function brokenInvariants(world: World): Promise<string[]> {
  const { docker, server, model } = world
  const answer = await send(server.url, { method: 'GET', path: '/sandboxes' })
  const { sandboxes: listed } = parsed<{ sandboxes: Listed[] }>(answer)
  if (!listed) return [`the list of sandboxes was not answered: ${answer.kind}`]
  const containers = await containersOf(docker, server.instance)
  const states = new Map(containers.map(({ Labels, State }) => [Labels['k2.id'] ?? '', State as string]))
  const byId = new Map(listed.map((one) => [one.sandbox_id, one]))

  return [
    ...listed.flatMap((one) => strangers(world, one)),
    ...twice(listed),
    ...[...model.sandboxes.values()].flatMap((known) => faultsOf(world, known, byId.get(known.id))),
    ...listed.flatMap((one) => disagreement(one, states.get(one.sandbox_id) ?? 'missing')),
    ...(await unknownContainers(world, containers, byId)),
    ...(await leftOnEngine(world)),
    ...(await server.linkFolders())
      .filter((id) => !byId.has(id) && !states.has(id))
      .map((id) => `folder run/${id} belongs to no sandbox`),
    ...(await linkProcesses(world, containers.length)),
  ]
}

/** Of no sandbox in the list: as many as the API says that wait in pools or are made for them, and not one more. */
async function unknownContainers(
  { server }: World,
  containers: Container[],
  listed: Map<string, Listed>,
): Promise<string[]> {
  const unknown = containers.filter(({ Labels }) => !listed.has(Labels['k2.id'] ?? ''))
  const { pools } = parsed<{ pools: { ready: number; warming: number }[] }>(
    await send(server.url, { method: 'GET', path: '/pools' }),
  )
  if (!pools) return ['the list of pools was not answered']
  const waiting = pools.reduce((sum, { ready, warming }) => sum + ready + warming, 0)
  if (unknown.length === waiting) return []
  return unknown.map(
    ({ Names, State, Labels }) =>
      `container ${Names[0]} (${State}, ${Labels['k2.kind']}) belongs to no sandbox that the API shows, and ${waiting} of ${unknown.length} such wait in a pool`,
  )
}

/** A sandbox in the list that no answer told of: what an unanswered create made, else a violation. */
function strangers({ model, story }: World, { sandbox_id: id, metadata }: Listed): string[] {
  if (model.sandboxes.has(id)) return []
  const create = model.creates.get(metadata.tag ?? '')
  if (!create?.unanswered)
    return [`sandbox ${id} (${metadata.tag ?? 'no tag'}) is there, and nobody was answered with it or waits for it`]
  story.tell(`## ${id} was made by the create ${create.tag}, whose answer was lost`)
  create.unanswered = false
  model.add(create, id).excuses.add('its create had no answer')
  return []
}

function twice(listed: Listed[]): string[] {
  const faults: string[] = []
  for (const member of ['tag', 'name'] as const) {
    const seen = new Map<string, string>()
    for (const one of listed) {
      const value = member === 'tag' ? one.metadata.tag : one.name
      if (value === undefined || value === null) continue
      if (seen.has(value)) faults.push(`${one.sandbox_id} and ${seen.get(value)} have the same ${member} ${value}`)
      seen.set(value, one.sandbox_id)
    }
  }
  return faults
}

/** What the model knows of a sandbox against what the API says now. */
function faultsOf({ model }: World, known: KnownSandbox, now: Listed | undefined): string[] {
  const about = `${known.id} (${known.tag})`
  if (now === undefined) {
    if (!known.mayBeGone) return [`${about} was answered as created and is gone without an end`]
    model.forget(known.id)
    return []
  }
  // The load rests: a delete without an answer has been done by now, or never will be.
  known.deleteSent = known.deleted
  if (known.deleted) return [`${about} was answered as deleted and is ${now.status}`]
  if (now.status === 'creating') return [`${about} is still creating`]
  if (now.status === 'failed' && !now.reason) return [`${about} is failed without a reason`]
  if (!known.labels.includes(now.metadata.label))
    return [`${about} has the label ${now.metadata.label}, not ${known.labels}`]
  if (now.status === known.status || byItself(known, now.status)) return overdue(known, now.status, about)
  if (known.excuses.size === 0)
    return [`${about} is ${now.status} (${now.reason}), the last answer made it ${known.status}`]
  return overdue(known, now.status, about)
}

/** By its timeout, or woken by a use. */
const byItself = (known: KnownSandbox, status: string) =>
  (known.mayHaveExpired && status === EXPIRED[known.onTimeout]) || (known.autoResume && status === 'running')

const EXPIRED: Record<string, string> = { stop: 'stopped', pause: 'paused' }

/** A running one ends by its timeout; a failed one, too. */
function overdue(known: KnownSandbox, status: string, about: string): string[] {
  if (known.overdueMs < LATE_MS || status === 'stopped' || status === 'paused') return []
  return [
    `${about} is ${status} ${Math.round(known.overdueMs / 1000)} s after its timeout of ${known.timeoutMs / 1000} s`,
  ]
}

function disagreement({ sandbox_id, status }: Listed, state: string): string[] {
  const fits = ENGINE_STATES[status]?.includes(state) ?? false
  return fits ? [] : [`${sandbox_id} is ${status}, its container is ${state}`]
}

/** Everything with our label beside the containers: the agent's volume, and the network where the engine has any. */
async function leftOnEngine({ docker, server }: World): Promise<string[]> {
  const filters = { label: [`k2.instance=${server.instance}`] }
  const [{ Volumes }, networks] = await Promise.all([docker.listVolumes({}), docker.listNetworks({ filters })])
  const volumes = Volumes.filter(({ Name }) => !Name.startsWith('k2-agent-')).map(({ Name }) => `volume ${Name}`)
  const more = networks.length > 1 ? [`${networks.length} networks`] : []
  return [...volumes, ...more].map((what) => `${what} on the engine belongs to nothing`)
}

/** One exec link a sandbox, at most. */
async function linkProcesses({ docker, server }: World, sandboxes: number): Promise<string[]> {
  const ours = new Set((await containersOf(docker, server.instance)).map(({ Id }) => Id))
  const links = (await findProcesses(LINK_PROCESS)).filter(
    ({ containerId }) => containerId !== null && ours.has(containerId),
  )
  const perContainer = new Map<string, number>()
  for (const { containerId } of links)
    perContainer.set(containerId ?? '', (perContainer.get(containerId ?? '') ?? 0) + 1)
  return [...perContainer]
    .filter(([, count]) => count > 1)
    .map(([id, count]) => `${count} link processes in container ${id.slice(0, 12)} (${sandboxes} sandboxes)`)
}

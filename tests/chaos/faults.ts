import { setTimeout as sleep } from 'node:timers/promises'
import type Docker from 'dockerode'
import { containersOf } from '../support/engine.ts'
import { findProcesses, killProcess } from './processes.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** Ends a fault: afterwards everything is as it should be again, and only the server has to recover. */
export type Heal = () => Promise<void>

export interface Fault {
  /** How often, beside the others. */
  weight: number
  /** What it breaks: two faults of one part are not in one round. */
  part: 'server' | 'engine' | 'sandbox' | 'disk' | 'clock'
  inflict(world: World, random: Random): Promise<Heal>
}

const nothing: Heal = async () => {}
const LINKS = ['dial', 'exec', 'auto'] as const
/** The container's side of an exec link. */
export const LINK_PROCESS = /\/agent connect /
const FARTHEST_CLOCK_SECONDS = 90_000

export const FAULTS = {
  'server-kill': {
    weight: 6,
    part: 'server',
    async inflict({ server }, random) {
      await server.kill()
      return () => startServer(server, random)
    },
  },
  'server-kill-twice': {
    weight: 2,
    part: 'server',
    async inflict({ server, story }, random) {
      await server.kill()
      const second = server.start().catch(() => {})
      const momentMs = random.between(50, 2000)
      await sleep(momentMs)
      story.tell(`## server: killed again after ${momentMs} ms`)
      await server.kill()
      await second
      return () => startServer(server, random)
    },
  },
  'server-stop': {
    weight: 1,
    part: 'server',
    async inflict({ server, story, violations, figures }, random) {
      const code = await server.terminate()
      if (code !== 0)
        violations.push({ round: figures.rounds, what: `SIGTERM ended the server with ${code}`, story: story.last(40) })
      return () => startServer(server, random)
    },
  },
  'server-freeze': {
    weight: 2,
    part: 'server',
    async inflict({ server }, random) {
      server.freeze()
      await sleep(random.between(200, 4000))
      return async () => server.thaw()
    },
  },
  'engine-kill': {
    weight: 3,
    part: 'engine',
    async inflict({ engine }) {
      await engine.kill()
      return () => engine.start()
    },
  },
  'engine-stop': {
    weight: 1,
    part: 'engine',
    async inflict({ engine }) {
      await engine.stop()
      return () => engine.start()
    },
  },
  /** Started again without live-restore: it ends what it finds running. */
  'engine-loss': {
    weight: 1,
    part: 'engine',
    async inflict({ engine, model }) {
      await engine.kill()
      model.excuseAll('the engine ended all containers')
      return async () => {
        await engine.start({ liveRestore: false })
        // Live-restore again, for the next ones; a setting that the engine takes at its start.
        model.excuseAll('the engine ended all containers')
        await engine.kill()
        await engine.start()
      }
    },
  },
  'engine-slow': {
    weight: 2,
    part: 'engine',
    async inflict({ proxy }, random) {
      await proxy.set({ kind: 'slow', delayMs: random.between(20, 300) })
      await sleep(random.between(300, 2000))
      return () => proxy.set({ kind: 'pass' })
    },
  },
  'engine-stall': {
    weight: 2,
    part: 'engine',
    async inflict({ proxy }, random) {
      await proxy.set({ kind: 'stall' })
      await sleep(random.between(200, 3000))
      return () => proxy.set({ kind: 'pass' })
    },
  },
  /** Connections break in the middle of calls: what they began, the engine may have done. */
  'engine-cut': {
    weight: 3,
    part: 'engine',
    async inflict({ proxy }, random) {
      await proxy.set({ kind: 'cut' })
      await sleep(random.between(0, 800))
      return () => proxy.set({ kind: 'pass' })
    },
  },
  'agent-kill': {
    weight: 3,
    part: 'sandbox',
    async inflict(world, random) {
      for (const { info, container } of await someContainers(world, random, ['running'])) {
        wound(world, info, 'its PID 1 was killed')
        const found = await container.inspect().catch(() => null)
        if (found && found.State.Pid > 0) killProcess(found.State.Pid)
      }
      return nothing
    },
  },
  'container-kill': {
    weight: 3,
    part: 'sandbox',
    async inflict(world, random) {
      for (const { info, container } of await someContainers(world, random, ['running'])) {
        wound(world, info, 'its container was killed')
        await container.kill().catch(() => {})
      }
      return nothing
    },
  },
  'container-remove': {
    weight: 2,
    part: 'sandbox',
    async inflict(world, random) {
      for (const { info, container } of await someContainers(world, random, ['running', 'exited'])) {
        wound(world, info, 'its container was removed', { removed: true })
        await container.remove({ force: true, v: true }).catch(() => {})
      }
      return nothing
    },
  },
  /** The process of an exec link: the sandbox is not touched. */
  'link-kill': {
    weight: 2,
    part: 'sandbox',
    async inflict(world, random) {
      const ours = new Set((await containersNow(world)).map(({ Id }) => Id))
      for (const { pid, containerId } of await findProcesses(LINK_PROCESS))
        if (containerId !== null && ours.has(containerId) && random.chance(0.6)) killProcess(pid)
      return nothing
    },
  },
  'disk-full': {
    weight: 2,
    part: 'disk',
    async inflict({ disk }, random) {
      disk.fill()
      await sleep(random.between(300, 2500))
      return async () => disk.free()
    },
  },
  /** Stays as it is until the next one. */
  'clock-jump': {
    weight: 2,
    part: 'clock',
    async inflict({ server }, random) {
      const seconds = random.chance(0.3) ? 0 : random.between(-FARTHEST_CLOCK_SECONDS, FARTHEST_CLOCK_SECONDS)
      await server.setClock(seconds)
      return nothing
    },
  },
} as const satisfies Record<string, Fault>

export type FaultKind = keyof typeof FAULTS

async function startServer(server: World['server'], random: Random): Promise<void> {
  await server.start({ K2_LINK: random.pick(LINKS) ?? 'auto' })
}

/** Empty while the engine is away. */
const containersNow = ({ docker, server }: World) => containersOf(docker, server.instance).catch(() => [])

async function someContainers(
  world: World,
  random: Random,
  states: string[],
): Promise<{ info: Docker.ContainerInfo; container: Docker.Container }[]> {
  const { docker } = world
  const all = (await containersNow(world))
    .filter(({ State, Labels }) => states.includes(State) && Labels['k2.kind'] === 'sandbox')
    .sort((a, b) => a.Created - b.Created)
  const first = random.pick(all)
  const second = random.chance(0.3) ? random.pick(all) : undefined
  return [...new Set([first, second])]
    .filter((info) => info !== undefined)
    .map((info) => ({ info, container: docker.getContainer(info.Id) }))
}

function wound(
  { model, story }: World,
  { Labels, Id }: Docker.ContainerInfo,
  why: string,
  more?: { removed: boolean },
): void {
  const id = Labels['k2.id'] ?? ''
  story.tell(`## ${id} (${Id.slice(0, 12)}): ${why}`)
  model.wound(id, why, more)
}

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DEBIAN_IMAGE } from '../../scripts/setup/debian-base.ts'
import { createDockerClient } from '../../src/engine/docker/client.ts'
import { startOwnEngine } from '../docker/own-engine.ts'
import { EngineProxy } from './engine-proxy.ts'
import { FaultBag } from './fault-bag.ts'
import { FAULTS, type Fault, type FaultKind } from './faults.ts'
import { Figures } from './figures.ts'
import { Load } from './load.ts'
import { Model } from './model.ts'
import { Random } from './random.ts'
import { Round } from './round.ts'
import { ChaosServer } from './server.ts'
import { mountSmallDisk } from './small-disk.ts'
import { Story } from './story.ts'
import { violate, type World } from './world.ts'

export interface ChaosOptions {
  seed: number
  rounds: number
  /** No round begins after so long. */
  withinMs?: number
  /** Only these; absent: all. */
  kinds?: FaultKind[]
  workers?: number
  /** Gets each line of the story as it happens. */
  print?: (line: string) => void
  /** Gets one line a round. */
  progress?: (line: string) => void
  /** The round under way is the last one. */
  signal?: AbortSignal
  /** The engine that has the image. */
  images: string
}

export interface ChaosResult {
  figures: Figures
  violations: World['violations']
}

const DATA_MB = 24
const DEFAULT_WORKERS = 6

/** Rounds of faults under load, on an engine, a data folder and a server of its own. Leaves nothing behind. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, rounds, withinMs = Number.POSITIVE_INFINITY, kinds, workers = DEFAULT_WORKERS } = options
  const random = new Random(seed)
  await using engine = await startOwnEngine()
  await copyImage(options.images, engine.host)
  await using disk = await mountSmallDisk(DATA_MB)
  const dir = await mkdtemp(join(tmpdir(), 'k2-chaos-'))
  await using proxy = await EngineProxy.open(join(dir, 'engine.sock'), engine.host.replace(/^unix:\/\//, ''))
  const { docker, close } = createDockerClient(engine.host)
  const story = new Story(options.print)
  const server = new ChaosServer({
    dataDir: disk.path,
    instance: `test-chaos-${seed.toString(36)}`,
    settings: {
      K2_DOCKER_HOST: `unix://${proxy.path}`,
      K2_DEFAULT_TEMPLATE: DEBIAN_IMAGE,
      K2_DEFAULT_MEMORY_MB: '256',
      K2_STOP_GRACE: '1',
      K2_START_TIMEOUT: '20',
      K2_SHUTDOWN_GRACE: '2',
    },
    clockFile: join(dir, 'clock'),
    tell: (line) => story.tell(line),
  })
  const world: World = {
    server,
    engine,
    docker,
    proxy,
    disk,
    model: new Model(seed.toString(36)),
    story,
    figures: new Figures(),
    violations: [],
  }
  const load = new Load(world, random.fork(), workers)
  const bag = new FaultBag(possible(world, kinds), random.fork())
  const endAt = performance.now() + withinMs
  try {
    await server.start()
    for (let number = 1; number <= rounds && performance.now() < endAt && !options.signal?.aborted; number++) {
      const round = new Round(world, load, random.fork(), bag)
      const line = await round.run(number)
      options.progress?.(line)
      // What is broken stays broken: further rounds would tell the same again.
      if (world.violations.length > 0) break
    }
    if (world.violations.length === 0 && (await server.terminate()) !== 0) violate(world, 'the server did not end well')
  } catch (error) {
    violate(world, `the suite could not go on: ${error instanceof Error ? error.message : error}`)
  } finally {
    await load.rest()
    await server.kill()
    close()
    await sleep(0)
    await rm(dir, { recursive: true, force: true })
  }
  return { figures: world.figures, violations: world.violations }
}

function possible({ disk }: World, kinds: FaultKind[] | undefined): [FaultKind, Fault][] {
  return (Object.entries(FAULTS) as [FaultKind, Fault][]).filter(
    ([kind, { part }]) => (kinds === undefined || kinds.includes(kind)) && (part !== 'disk' || disk.canFill),
  )
}

async function copyImage(from: string, to: string): Promise<void> {
  const source = createDockerClient(from)
  const target = createDockerClient(to)
  await target.docker.loadImage(await source.docker.getImage(DEBIAN_IMAGE).get())
  source.close()
  target.close()
}

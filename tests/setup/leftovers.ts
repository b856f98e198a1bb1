import { spawnSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { createDockerClient } from '../../src/engine/docker/client.ts'
import { dockerHost } from './docker-host.ts'
import { removeTestImages } from './images.ts'

/** What was there before the suites ran and may therefore be there after them. */
export interface Snapshot {
  containers: Set<string>
  volumes: Set<string>
  networks: Set<string>
  images: Set<string>
  processes: Set<string>
}

/** Containers of test instances carry `k2.instance=test…`; whoever starts a server in a test names it so. */
const TEST_INSTANCE = /^test/

/** Takes stock. With no engine there (K2_ENGINE=local) only processes are looked at. */
export async function snapshot(): Promise<Snapshot> {
  const { docker, close } = createDockerClient(dockerHost())
  try {
    const [containers, volumes, networks, images] = await Promise.all([
      docker.listContainers({ all: true }),
      docker.listVolumes(),
      docker.listNetworks(),
      docker.listImages({ all: true }),
    ])
    const isOurs = (labels: Record<string, string> | undefined) => TEST_INSTANCE.test(labels?.['k2.instance'] ?? '')
    return {
      containers: new Set(
        containers
          .filter(({ Labels, Image }) => isOurs(Labels) || Image.startsWith('k2test/'))
          .map(({ Id, Names, Image }) => `${Names[0] ?? Id} (${Image})`),
      ),
      volumes: new Set(
        volumes.Volumes.filter(({ Name, Labels }) => Name.startsWith('k2-agent-') || isOurs(Labels)).map(
          ({ Name }) => Name,
        ),
      ),
      networks: new Set(
        networks.filter(({ Name, Labels }) => Name.startsWith('k2-') || isOurs(Labels)).map(({ Name }) => Name),
      ),
      images: new Set(images.filter(({ Labels }) => isOurs(Labels)).map(({ Id, RepoTags }) => RepoTags?.[0] ?? Id)),
      processes: await ourProcesses(),
    }
  } catch (thrown) {
    if (process.env.K2_ENGINE !== 'local') throw thrown
    return {
      containers: new Set(),
      volumes: new Set(),
      networks: new Set(),
      images: new Set(),
      processes: await ourProcesses(),
    }
  } finally {
    close()
  }
}

/** Removes the test images, then lists what is there and was not before: one line a thing, empty when all is clean. */
export async function findLeftovers(before: Snapshot): Promise<string[]> {
  const testImages = await removeImages()
  removeRules()
  const after = await snapshot()
  return [
    ...testImages,
    ...newIn(after.containers, before.containers, 'container'),
    ...newIn(after.volumes, before.volumes, 'volume'),
    ...newIn(after.networks, before.networks, 'network'),
    ...newIn(after.images, before.images, 'image'),
    ...newIn(after.processes, before.processes, 'process'),
  ]
}

/** Rules of bridges that are gone stay until the next server of this machine starts; the suite's shall not. */
function removeRules(): void {
  if (process.env.K2_ENGINE === 'local' || process.getuid?.() !== 0) return
  spawnSync('build/agent/current/agent', ['network', 'clean'], { stdio: 'ignore' })
}

/** Empty, or why an image could not be removed (a container that is left still uses it). */
async function removeImages(): Promise<string[]> {
  if (process.env.K2_ENGINE === 'local') return []
  const { docker, close } = createDockerClient(dockerHost())
  try {
    await removeTestImages(docker)
    return []
  } catch (thrown) {
    return [`test images: ${thrown instanceof Error ? thrown.message : thrown}`]
  } finally {
    close()
  }
}

function newIn(after: Set<string>, before: Set<string>, kind: string): string[] {
  return [...after].filter((name) => !before.has(name)).map((name) => `${kind} ${name}`)
}

/** Servers and agents of this checkout, by program and arguments: `<pid> <command line>`. Empty where there is no /proc. */
async function ourProcesses(): Promise<Set<string>> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  const found = new Set<string>()
  for (const pid of pids) {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim()
    if (Number(pid) !== process.pid && /\bsrc\/main\.ts\b|\bbuild\/agent\/\S*agent\b/.test(words))
      found.add(`${pid} ${words.slice(0, 200)}`)
  }
  return found
}

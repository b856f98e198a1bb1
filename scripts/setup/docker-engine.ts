import type Docker from 'dockerode'
import { createDockerClient, type DockerClient } from '../../src/engine/docker/client.ts'
import { hasApt } from './apt.ts'
import { installDocker, startDocker } from './install-docker.ts'
import { describeUnreachableEngine, messageOf, SetupError } from './problems.ts'
import { asRoot, hasProgram } from './run-program.ts'
import type { SetupSettings } from './settings.ts'
import type { Step } from './step.ts'

/** A connected engine, filled in by the first step for the ones after it. */
export interface ConnectedEngine {
  docker: Docker
  /** As Go names it: `amd64`, `arm64`. */
  architecture: string
  close: () => void
}

const PROBE_TIMEOUT_MS = 5_000

/** Finds the engine; on Debian and Ubuntu installs and starts the distribution's where none is there and none was named. */
export function dockerEngineStep(settings: SetupSettings, connected: (engine: ConnectedEngine) => void): Step {
  return {
    name: 'docker engine',
    run: async (progress) => {
      const done = await reach(settings, progress)
      const client = createDockerClient(settings.dockerHost)
      const version = await client.docker.version()
      connected({ docker: client.docker, architecture: version.Arch, close: client.close })
      return `Docker ${version.Version}${done} at ${settings.dockerHost}`
    },
  }
}

/** Makes the engine answer. Returns what was done for it, to be put behind its version. Throws SetupError. */
async function reach(settings: SetupSettings, progress: (words: string) => void): Promise<string> {
  const fault = await probe(settings.dockerHost)
  if (!fault) return ''
  const { code } = fault as NodeJS.ErrnoException
  const nobodyThere = code === 'ENOENT' || code === 'ECONNREFUSED'
  if (settings.dockerHostGiven || !nobodyThere)
    throw new SetupError(describeUnreachableEngine(fault, settings.dockerHost))

  const installed = await hasProgram('dockerd')
  const mayChange = process.platform === 'linux' && (await asRoot()) !== null
  if (!mayChange || !(installed || (await hasApt()))) {
    throw new SetupError(describeUnreachableEngine(fault, settings.dockerHost))
  }
  if (!installed) {
    progress('none answers: installing docker.io from the distribution')
    await installDocker()
  }
  if (await probe(settings.dockerHost)) {
    progress('starting it')
    await startDocker({ dataDir: settings.dataDir, answers: async () => !(await probe(settings.dockerHost)) })
  }
  return installed ? ' (started)' : ' (installed)'
}

/** dockerode takes the signal here as everywhere; its types forgot it. */
interface BoundedVersion {
  version(options: { abortSignal: AbortSignal }): Promise<Docker.DockerVersion>
}

/** Null when an engine answers, else why not. Throws SetupError for an address that is not understood. */
async function probe(dockerHost: string): Promise<unknown> {
  const { docker, close } = open(dockerHost)
  try {
    await (docker as unknown as BoundedVersion).version({ abortSignal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })
    return null
  } catch (thrown) {
    return thrown
  } finally {
    close()
  }
}

function open(dockerHost: string): DockerClient {
  try {
    return createDockerClient(dockerHost)
  } catch (thrown) {
    throw new SetupError(messageOf(thrown))
  }
}

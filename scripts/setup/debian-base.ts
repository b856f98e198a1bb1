import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type Docker from 'dockerode'
import { installPackages } from './apt.ts'
import { requireFreeSpace } from './disk-space.ts'
import { followEngine } from './docker-build.ts'
import type { ConnectedEngine } from './docker-engine.ts'
import { describeFullDisk, describeMissingBase, isDiskFull, messageOf, SetupError } from './problems.ts'
import { asRoot, hasProgram, runProgram } from './run-program.ts'
import type { Step } from './step.ts'

export const DEBIAN_IMAGE = 'debian:trixie-slim'
const SUITE = 'trixie'

/** An engine without a registry refuses within seconds; one behind a silent firewall would wait for a minute. */
const PULL_FIRST_WORDS_MS = 20_000
const PULL_TIMEOUT_MS = 600_000
const BOOTSTRAP_TIMEOUT_MS = 300_000
const NEEDED_BYTES = 500e6

/** The image that everything else is built from: pulled, or bootstrapped from Debian's packages where no registry answers. */
export function debianBaseStep(engine: () => ConnectedEngine, dataDir: string): Step {
  return {
    name: 'debian image',
    run: async (progress) => {
      const { docker, architecture } = engine()
      if (await hasImage(docker, DEBIAN_IMAGE)) return `${DEBIAN_IMAGE} already there`
      progress(`pulling ${DEBIAN_IMAGE}`)
      const refusal = await pull(docker, join(dataDir, 'setup-pull.log'))
      if (!refusal) return `${DEBIAN_IMAGE} pulled`
      if (isDiskFull(refusal)) throw new SetupError(describeFullDisk(`pulling ${DEBIAN_IMAGE}`))
      progress(`no registry gave it: bootstrapping ${SUITE} from Debian packages (about 20 s)`)
      await requireFreeSpace('/tmp', NEEDED_BYTES)
      try {
        await bootstrap(docker, architecture, join(dataDir, 'setup-bootstrap.log'))
      } catch (thrown) {
        const words = messageOf(thrown)
        if (isDiskFull(words)) throw new SetupError(describeFullDisk(`bootstrapping ${DEBIAN_IMAGE}`))
        throw new SetupError(describeMissingBase(DEBIAN_IMAGE, refusal, words))
      }
      return `${DEBIAN_IMAGE} bootstrapped from Debian packages`
    },
  }
}

/** True when the engine has the image. Any other answer than yes or no is thrown. */
export async function hasImage(docker: Docker, reference: string): Promise<boolean> {
  try {
    await docker.getImage(reference).inspect()
    return true
  } catch (thrown) {
    if ((thrown as { statusCode?: number }).statusCode === 404) return false
    throw thrown
  }
}

/** Empty when pulled, else why not. */
async function pull(docker: Docker, logPath: string): Promise<string> {
  const [fromImage, tag] = DEBIAN_IMAGE.split(':')
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(new Error('no registry answered')), PULL_FIRST_WORDS_MS)
  try {
    const abortSignal = AbortSignal.any([silence.signal, AbortSignal.timeout(PULL_TIMEOUT_MS)])
    const answer = await docker.createImage({ fromImage, tag, abortSignal })
    await followEngine(answer as Readable, logPath, () => clearTimeout(timer))
    return ''
  } catch (thrown) {
    return silence.signal.aborted ? 'no registry answered' : messageOf(thrown)
  } finally {
    clearTimeout(timer)
  }
}

/** Debian's own bootstrap, its tar streamed into the engine. Throws when any part fails. */
async function bootstrap(docker: Docker, architecture: string, logPath: string): Promise<void> {
  if (!(await hasProgram('mmdebstrap')))
    await installPackages(['mmdebstrap', 'debian-archive-keyring'], `make ${DEBIAN_IMAGE}`)
  const { stdout } = await runProgram(['dpkg', '--print-architecture'])
  if (stdout.trim() !== architecture) {
    throw new Error(`this machine is ${stdout.trim()} and the engine ${architecture}`)
  }
  const root = (await asRoot()) ?? []
  const slim = ['doc', 'man', 'info', 'locale'].map((folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`)
  const licences = '--dpkgopt=path-include=/usr/share/doc/*/copyright'
  const [program = '', ...args] = [
    ...root,
    'mmdebstrap',
    '--variant=minbase',
    '--format=tar',
    ...slim,
    licences,
    SUITE,
    '-',
  ]
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: AbortSignal.timeout(BOOTSTRAP_TIMEOUT_MS),
  })
  const ended = new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
  const [repo, tag] = DEBIAN_IMAGE.split(':')
  const answer = docker.importImage(child.stdout as unknown as string, {
    repo,
    tag,
    changes: 'CMD ["bash"]',
    abortSignal: AbortSignal.timeout(BOOTSTRAP_TIMEOUT_MS),
  })
  const [said, exitCode] = await Promise.all([
    text(child.stderr),
    ended,
    answer.then((stream) => followEngine(stream as Readable, logPath)),
  ])
  if (exitCode === 0) return
  await docker.getImage(DEBIAN_IMAGE).remove() // the engine imported what little came
  throw new Error(said.split('\n').findLast((line) => line.startsWith('E:')) ?? `mmdebstrap exited with ${exitCode}`)
}

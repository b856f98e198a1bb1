import { randomBytes } from 'node:crypto'
import { isSandboxError, SandboxError } from '../../errors.ts'
import type { CallOptions, SandboxSpec } from '../types.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import type { DialLinks } from './dial-links.ts'
import { removeContainer } from './lifecycle.ts'
import { runDirOf } from './link-socket.ts'
import { containerSpec, type SpecFacts } from './spec.ts'
import { startContainer } from './start.ts'

export interface Probed {
  dial: boolean
  diskLimit: boolean
  openFilesHard: number | null
  /** The container's own output or the engine's refusal where dial did not work; for the log. */
  dialError: unknown
}

/** Hard limits of open files, the best first. An engine whose own limit is lower refuses to start the container. */
const OPEN_FILES_HARD = [16_384, 8192, 4096, 1024, null]
const DIAL_TIMEOUT_MS = 3000

type Fixed = Omit<SpecFacts, 'link' | 'runDir' | 'openFilesHard' | 'diskLimit'>

/**
 * Finds out what this engine can do by starting one container made as sandboxes are: the dial link, limits of disk and open
 * files. More starts only where the first one fails. Leaves nothing behind. Throws SANDBOX_START_FAILED when no
 * container starts at all.
 */
export async function probeEngine(
  context: Context,
  links: DialLinks,
  fixed: Fixed,
  scratchImage: string,
  wantDial: boolean,
  options: CallOptions,
): Promise<Probed> {
  const probe = new Probe(context, links, fixed, scratchImage, options)
  const diskLimit = await probe.acceptsDiskLimit()
  let lastError: unknown = null
  let dialError: unknown = null
  for (const openFilesHard of OPEN_FILES_HARD) {
    if (wantDial) {
      try {
        await probe.start('dial', openFilesHard)
        return { dial: true, diskLimit, openFilesHard, dialError: null }
      } catch (error) {
        if (!isSandboxError(error, 'SANDBOX_START_FAILED') && !isSandboxError(error, 'INTERNAL')) throw error
        dialError = error
      }
    }
    try {
      await probe.start('exec', openFilesHard)
      return { dial: false, diskLimit, openFilesHard, dialError }
    } catch (error) {
      if (!isSandboxError(error, 'SANDBOX_START_FAILED')) throw error
      lastError = error
    }
  }
  throw lastError
}

class Probe {
  readonly #context: Context
  readonly #links: DialLinks
  readonly #fixed: Fixed
  readonly #scratchImage: string
  readonly #options: CallOptions

  constructor(context: Context, links: DialLinks, fixed: Fixed, scratchImage: string, options: CallOptions) {
    // A probe that does not dial at once will not do so later.
    this.#context = {
      ...context,
      timeouts: { ...context.timeouts, connectMs: Math.min(DIAL_TIMEOUT_MS, context.timeouts.connectMs) },
    }
    this.#links = links
    this.#fixed = fixed
    this.#scratchImage = scratchImage
    this.#options = options
  }

  async acceptsDiskLimit(): Promise<boolean> {
    try {
      await this.#run('exec', OPEN_FILES_HARD[0] ?? null, true, async () => undefined)
      return true
    } catch (error) {
      if (error instanceof SandboxError && ['INTERNAL', 'VALIDATION_FAILED'].includes(error.code)) return false
      throw error
    }
  }

  async start(link: 'dial' | 'exec', openFilesHard: number | null): Promise<void> {
    await this.#run(link, openFilesHard, false, async (id, ref) => {
      const dialLink = link === 'dial' ? await this.#links.open(id) : null
      await startContainer(this.#context, id, ref, dialLink, this.#options.signal)
    })
  }

  async #run(
    link: 'dial' | 'exec',
    openFilesHard: number | null,
    diskLimit: boolean,
    use: (id: string, ref: string) => Promise<void>,
  ): Promise<void> {
    const id = `probe0${randomBytes(7).toString('hex')}`
    const { docker, options, timeouts } = this.#context
    const facts: SpecFacts = { ...this.#fixed, link, openFilesHard, diskLimit, runDir: runDirOf(options.dataDir, id) }
    const call = { signal: this.#options.signal, timeoutMs: timeouts.changeMs, name: id }
    if (link === 'dial') await this.#links.open(id)
    try {
      const body = containerSpec(probeSpec(id, this.#scratchImage), facts, 'probe')
      const query = { _query: { name: `k2-${id}` }, _body: body }
      const container = await engineCall(
        'container.create',
        (abortSignal) => docker.createContainer({ ...query, abortSignal } as object),
        call,
      )
      await use(id, container.id)
    } finally {
      await removeContainer(this.#context, id, `k2-${id}`, {})
      await this.#links.remove(id)
    }
  }
}

function probeSpec(id: string, imageId: string): SandboxSpec {
  return {
    id,
    template: { reference: 'k2-scratch', imageId, env: {}, user: null, workdir: null, volumes: [] },
    resources: { cpus: 1, memoryMb: 128, pids: 128, diskMb: 64 },
    network: 'none',
    record: '',
  }
}

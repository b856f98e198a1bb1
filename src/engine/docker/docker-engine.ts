import { createHash } from 'node:crypto'
import type { Duplex, Readable } from 'node:stream'
import { isSandboxError, SandboxError } from '../../errors.ts'
import { untilAborted } from '../../lib/deadline.ts'
import type {
  CallOptions,
  Engine,
  EngineCreated,
  EngineEvent,
  EngineImage,
  EngineInfo,
  EngineSandbox,
  EngineVolume,
  FileChange,
  ImageSpec,
  Leftovers,
  Network,
  Resources,
  SandboxSpec,
  Template,
  VolumeSpec,
} from '../types.ts'
import { readAgentBinary } from './agent-binary.ts'
import { agentVolumeName, ensureAgentVolume, removeOldAgentVolumes } from './agent-volume.ts'
import { readContainerArchive, writeContainerArchive } from './archive.ts'
import { containerChanges } from './changes.ts'
import { createDockerClient } from './client.ts'
import { connectByDial, connectByExec } from './connect.ts'
import type { Context } from './context.ts'
import { createContainer } from './create.ts'
import { DialLinks } from './dial-links.ts'
import { readEngineFacts } from './engine-facts.ts'
import { containerEvents, watchImages } from './events.ts'
import { commitContainer, listOwnImages, removeOwnImage } from './images.ts'
import { asSandbox, inspectContainer, listContainers, listSandboxes, type OwnContainer } from './inspect.ts'
import { Internet } from './internet.ts'
import { isSandboxId } from './labels.ts'
import { countStrangers, LeftoverSweep, removeLeftovers } from './leftovers.ts'
import { pauseContainer, removeContainer, resumeContainer, stopContainer, updateContainer } from './lifecycle.ts'
import { socketPathFits } from './link-socket.ts'
import { moveToNetwork, networkName } from './network.ts'
import { checkOptions, DEFAULT_TIMEOUTS, type DockerEngineOptions, type LinkKind } from './options.ts'
import { probeEngine } from './probe.ts'
import { repairShared } from './repair.ts'
import { ensureScratchImage } from './scratch-image.ts'
import { readSeccompProfile } from './seccomp.ts'
import { SPEC_VERSION, type SpecFacts } from './spec.ts'
import { startContainer } from './start.ts'
import { Starting } from './starting.ts'
import { resolveOwnImage, Templates } from './templates.ts'
import { createDataVolume, dataVolumeSizes, listDataVolumes, removeDataVolume, requireOwn } from './volumes.ts'

/** What `open` found out and prepared, and every container is made with. */
type Prepared = Omit<SpecFacts, 'runDir'>

/** How a sandbox's container was made. */
interface Made {
  link: LinkKind
  /** On our bridge, which must have its rules whenever it starts. */
  onBridge: boolean
}

/** The Docker adapter of the engine port (../types.ts). Throws at once for options that no engine can work with. */
export function createDockerEngine(options: DockerEngineOptions): Engine {
  return new DockerEngine(options)
}

class DockerEngine implements Engine {
  readonly #context: Context
  readonly #closeClient: () => void
  readonly #links: DialLinks
  readonly #templates: Templates
  readonly #internet: Internet
  readonly #made = new Map<string, Made>()
  readonly #starting = new Starting()
  readonly #leftovers: LeftoverSweep
  /** Creates under way, also those that their callers gave up. */
  readonly #creating = new Map<string, Promise<unknown>>()
  readonly #closed = new AbortController()
  #prepared: Prepared | null = null
  #imageWatch: Promise<void> | null = null

  constructor(options: DockerEngineOptions) {
    checkOptions(options)
    const client = createDockerClient(options.dockerHost)
    const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts }
    this.#context = { docker: client.docker, options, timeouts, log: options.log }
    this.#closeClient = client.close
    this.#internet = new Internet(this.#context)
    this.#links = new DialLinks(options.dataDir, options.secret)
    this.#templates = new Templates(this.#context)
    this.#leftovers = new LeftoverSweep(this.#context, this.#links)
  }

  async open(call: CallOptions = {}): Promise<EngineInfo> {
    const { link } = this.#context.options
    const facts = await readEngineFacts(this.#context, call)
    const [agent, scratchImage] = await Promise.all([
      readAgentBinary(this.#context.options.agentBinary),
      ensureScratchImage(this.#context, call),
      removeLeftovers(this.#context, this.#links, call),
    ])
    await ensureAgentVolume(this.#context, agent, scratchImage, call)
    const { instance, secret, dataDir } = this.#context.options
    const seccompProfile = readSeccompProfile()
    const agentVolume = agentVolumeName(agent)
    const fixed = {
      instance,
      secret,
      agentVolume,
      network: networkName(instance),
      seccompProfile,
    }
    const wantDial = link !== 'exec' && socketPathFits(dataDir)
    const [networkFault, { dial, dialError, ...probed }] = await Promise.all([
      this.#internet.open({ agentVolume, scratchImage, seccompProfile }, call),
      probeEngine(this.#context, this.#links, fixed, scratchImage, wantDial, call),
    ])
    if (link === 'dial' && !dial) throw dialImpossible(wantDial, dialError)
    if (wantDial && !dial)
      this.#context.log.info({ err: dialError }, 'the dial link does not work with this engine; using exec')
    this.#prepared = { ...fixed, ...probed, link: dial ? 'dial' : 'exec' }
    this.#imageWatch ??= this.#watchImages()
    await removeOldAgentVolumes(this.#context, agent, call)
    const strangers = await countStrangers(this.#context, call)
    return {
      name: 'docker',
      version: facts.version,
      link: this.#prepared.link,
      diskLimit: probed.diskLimit,
      fingerprint: fingerprintOf(this.#prepared),
      warnings: [
        ...facts.warnings,
        ...(strangers === 0 ? [] : [strangersWarning(strangers, instance)]),
        ...(probed.diskLimit
          ? []
          : ['this storage driver has no disk limit per sandbox (it needs overlay2 on XFS with pquota)']),
        ...(networkFault === null ? [] : [networkFault.message]),
        ...(seccompProfile === null ? ["no seccomp profile of our own: the engine's default is used"] : []),
      ],
    }
  }

  resolveTemplate(reference: string, call: CallOptions = {}): Promise<Template> {
    return this.#templates.resolve(reference, call)
  }

  resolveImage(ref: string, reference: string, call: CallOptions = {}): Promise<Template> {
    return resolveOwnImage(this.#context, ref, reference, call)
  }

  async create(spec: SandboxSpec, call: CallOptions = {}): Promise<EngineCreated> {
    const prepared = this.#requirePrepared()
    checkId(spec.id)
    if (spec.network === 'internet') await this.#internet.ensure(call)
    if (spec.resources.diskMb !== null && !prepared.diskLimit) throw noDiskLimit()
    for (const { volume } of spec.mounts ?? []) await requireOwn(this.#context, volume, call)
    const made = createContainer(this.#context, this.#links, spec, prepared, call)
    this.#creating.set(spec.id, made.settled)
    void made.settled.finally(() => this.#creating.delete(spec.id))
    const ref = await made.ref
    this.#made.set(spec.id, { link: prepared.link, onBridge: spec.network === 'internet' })
    return { ref, fixed: null }
  }

  async start(id: string, ref: string, call: CallOptions = {}): Promise<void> {
    const { link: kind, onBridge } = await this.#madeAs(id, ref, call)
    if (onBridge) await this.#internet.ensure(call)
    try {
      await this.#start(id, ref, kind, call)
    } catch (error) {
      await this.#forgetIfGone(id, error)
      if (
        !isSandboxError(error, 'SANDBOX_START_FAILED') ||
        !(await repairShared(this.#context, this.#internet, id, ref, call))
      )
        throw error
      await this.#start(id, ref, kind, call)
    }
  }

  async #start(id: string, ref: string, kind: LinkKind, { signal }: CallOptions): Promise<void> {
    const link = kind === 'dial' ? await this.#links.open(id) : null
    const watch = await startContainer(this.#context, id, ref, link, signal)
    if (watch !== null) this.#starting.add(id, watch)
  }

  stop(id: string, ref: string, call: CallOptions = {}): Promise<void> {
    return stopContainer(this.#context, id, ref, call)
  }

  update(id: string, ref: string, resources: Resources, call: CallOptions = {}): Promise<void> {
    return updateContainer(this.#context, id, ref, resources, call)
  }

  async setNetwork(id: string, ref: string, network: Network, call: CallOptions = {}): Promise<void> {
    const { link } = await this.#madeAs(id, ref, call)
    if (network === 'internet') await this.#internet.ensure(call)
    // In between it may be on either.
    this.#made.set(id, { link, onBridge: true })
    await moveToNetwork(this.#context, id, ref, network, call)
    this.#made.set(id, { link, onBridge: network === 'internet' })
  }

  pause(id: string, ref: string, call: CallOptions = {}): Promise<void> {
    return pauseContainer(this.#context, id, ref, call)
  }

  resume(id: string, ref: string, call: CallOptions = {}): Promise<void> {
    return resumeContainer(this.#context, id, ref, call)
  }

  async remove(id: string, ref: string | null, call: CallOptions = {}): Promise<void> {
    checkId(id)
    await untilAborted(this.#creating.get(id) ?? Promise.resolve(), call.signal)
    const refs = ref === null ? (await listContainers(this.#context, call, { id })).map((one) => one.ref) : [ref]
    for (const one of refs) await removeContainer(this.#context, id, one, call)
    await this.#forget(id)
  }

  async list(call: CallOptions = {}): Promise<EngineSandbox[]> {
    const found = await listSandboxes(this.#context, call)
    for (const { container } of found) this.#remember(container)
    return found.map(({ sandbox }) => sandbox)
  }

  async inspect(id: string, ref: string, call: CallOptions = {}): Promise<EngineSandbox> {
    return asSandbox(await this.#inspect(id, ref, call))
  }

  commit(
    id: string,
    ref: string,
    image: ImageSpec,
    call: CallOptions = {},
  ): Promise<EngineImage & { addedBytes: number }> {
    return commitContainer(this.#context, id, ref, image, call)
  }

  listImages(call: CallOptions = {}): Promise<EngineImage[]> {
    return listOwnImages(this.#context, call)
  }

  removeImage(ref: string, call: CallOptions = {}): Promise<void> {
    return removeOwnImage(this.#context, ref, call)
  }

  async removeLeftovers(call: CallOptions = {}): Promise<Leftovers> {
    return await this.#leftovers.remove(await readAgentBinary(this.#context.options.agentBinary), call)
  }

  createVolume(spec: VolumeSpec, call: CallOptions = {}): Promise<string> {
    checkId(spec.id)
    return createDataVolume(this.#context, spec, call)
  }

  listVolumes(call: CallOptions = {}): Promise<EngineVolume[]> {
    return listDataVolumes(this.#context, call)
  }

  volumeSizes(call: CallOptions = {}): Promise<Map<string, number>> {
    return dataVolumeSizes(this.#context, call)
  }

  removeVolume(ref: string, call: CallOptions = {}): Promise<void> {
    return removeDataVolume(this.#context, ref, call)
  }

  changes(id: string, ref: string, call: CallOptions = {}): Promise<FileChange[]> {
    return containerChanges(this.#context, id, ref, call)
  }

  events({ signal }: { signal: AbortSignal }): AsyncIterable<EngineEvent> {
    return containerEvents(this.#context, AbortSignal.any([signal, this.#closed.signal]))
  }

  async connect(id: string, ref: string, call: CallOptions = {}): Promise<Duplex> {
    try {
      if ((await this.#madeAs(id, ref, call)).link === 'dial') {
        return await connectByDial(this.#context, id, ref, await this.#links.open(id), call.signal)
      }
      return await connectByExec(
        this.#context,
        id,
        ref,
        this.#starting.get(id),
        () => this.#starting.forget(id),
        call.signal,
      )
    } catch (error) {
      await this.#forgetIfGone(id, error)
      throw error
    }
  }

  readArchive(id: string, ref: string, path: string, call: CallOptions = {}): Promise<Readable> {
    return readContainerArchive(this.#context, id, ref, path, call)
  }

  writeArchive(id: string, ref: string, path: string, tar: Readable, call: CallOptions = {}): Promise<void> {
    return writeContainerArchive(this.#context, id, ref, path, tar, call)
  }

  async close(): Promise<void> {
    this.#closed.abort(new SandboxError('SHUTTING_DOWN', 'the server is stopping'))
    await Promise.all([this.#imageWatch, this.#internet.close()])
    this.#starting.close()
    await Promise.allSettled(this.#creating.values())
    await this.#links.closeAll()
    this.#closeClient()
  }

  async #forgetIfGone(id: string, error: unknown): Promise<void> {
    if (isSandboxError(error, 'SANDBOX_NOT_FOUND')) await this.#forget(id)
  }

  async #forget(id: string): Promise<void> {
    this.#made.delete(id)
    this.#starting.forget(id)
    await this.#links.remove(id)
  }

  #requirePrepared(): Prepared {
    if (this.#prepared !== null) return this.#prepared
    throw new SandboxError('ENGINE_UNAVAILABLE', 'the container engine is not ready yet; try again', {
      details: { retryAfterSeconds: 2 },
    })
  }

  #inspect(id: string, ref: string, call: CallOptions): Promise<OwnContainer> {
    return inspectContainer(this.#context, id, ref, call).then((container) => this.#remember(container))
  }

  #remember(container: OwnContainer): OwnContainer {
    this.#made.set(container.identity.id, this.#asMade(container))
    return container
  }

  #asMade({ identity, networks }: OwnContainer): Made {
    return { link: identity.link, onBridge: networks.includes(networkName(this.#context.options.instance)) }
  }

  /** Kept with the container: one made under another K2_LINK stays reachable. */
  async #madeAs(id: string, ref: string, call: CallOptions): Promise<Made> {
    return this.#made.get(id) ?? this.#asMade(await this.#inspect(id, ref, call))
  }

  async #watchImages(): Promise<void> {
    const on = {
      change: () => this.#templates.invalidate(),
      watching: (watching: boolean) => {
        this.#templates.setWatching(watching)
        if (watching) this.#internet.seen()
        else this.#internet.lost()
      },
    }
    await watchImages(this.#context, this.#closed.signal, on)
  }
}

function checkId(id: string): void {
  if (!isSandboxId(id)) throw new SandboxError('SANDBOX_NOT_FOUND', `no sandbox ${JSON.stringify(id.slice(0, 40))}`)
}

function dialImpossible(pathFits: boolean, cause: unknown): SandboxError {
  const why = pathFits
    ? "the engine's containers can't reach a socket in the data folder"
    : "the data folder's path is too long for a socket"
  return new SandboxError('NOT_SUPPORTED_BY_ENGINE', `the dial link does not work: ${why}; use K2_LINK=auto or exec`, {
    cause,
  })
}

function strangersWarning(count: number, instance: string): string {
  return `${count} containers carry the name of this instance (${instance}) without its signature, as those of a lost secret do; they are left alone: remove them if they are yours`
}

function noDiskLimit(): SandboxError {
  return new SandboxError(
    'NOT_SUPPORTED_BY_ENGINE',
    'this engine cannot limit the disk of a sandbox (it needs overlay2 on XFS with pquota); leave resources.disk_mb out',
  )
}

/** Of a container's spec, whatever is the same for all. */
function fingerprintOf(prepared: Prepared): string {
  const { secret: _, ...rest } = prepared
  const spec = JSON.stringify(rest, Object.keys(rest).sort())
  return createHash('sha256').update(spec).update(SPEC_VERSION).digest('hex').slice(0, 20)
}

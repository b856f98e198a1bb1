import { stat } from 'node:fs/promises'
import { userInfo } from 'node:os'
import type { Duplex, Readable } from 'node:stream'
import { SandboxError } from '../../errors.ts'
import { untilAborted, withDeadline } from '../../lib/deadline.ts'
import { KeyedLock } from '../../lib/keyed-lock.ts'
import type {
  CallOptions,
  Engine,
  EngineCreated,
  EngineEvent,
  EngineImage,
  EngineInfo,
  EngineRef,
  EngineSandbox,
  EngineVolume,
  FileChange,
  ImageRef,
  ImageSpec,
  Leftovers,
  Network,
  Resources,
  SandboxSpec,
  Template,
  VolumeSpec,
} from '../types.ts'
import { isAlive, lastOutput, newToken, spawnAgent } from './agent-process.ts'
import { AgentSocket } from './agent-socket.ts'
import { readFolderArchive, writeFolderArchive } from './archive.ts'
import { EventFeed } from './event-feed.ts'
import { folderChanges } from './folder-changes.ts'
import { copyTree, ImageFolders } from './image-folder.ts'
import { freezeTree, isFrozen, killInFolder, killTree, pidsWithArgument, thawTree } from './process-tree.ts'
import { type Run, type SandboxFolder, SandboxFolders, type State } from './sandbox-folder.ts'

export interface LocalEngineOptions {
  /** The agent for this machine. */
  agentBinary: string
  /** Absolute. `local/<id>/` below it is a sandbox's folder. */
  dataDir: string
  /** Accepted as a template beside `local`: what the server gives to sandboxes that name none. */
  defaultTemplate?: string | undefined
  log: { warn(fields: object, message: string): void }
}

/** Start of the agent to its hello; the wait for a lost one; the wait for those of an earlier server when this one opens. */
const START_LIMIT_MS = 10_000
const CONNECT_LIMIT_MS = 10_000
const REJOIN_LIMIT_MS = 3000
/** How often agents of an earlier server, which are no children of ours, and the folders are looked at. */
const WATCH_MS = 1000
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Of a sandbox whose folder begins empty. */
const NO_IMAGE = 'local'
const WARNING =
  'K2_ENGINE=local isolates nothing: programs run as the user of this server on this machine, and limits and network settings are not enforced'

/** What this process holds for a sandbox whose agent runs. */
interface Live {
  readonly run: Run
  readonly socket: AgentSocket
  /** Of a child of ours; null for an agent of an earlier server. */
  readonly ended: Promise<number> | null
}

/** See LocalEngine. */
export function createLocalEngine(options: LocalEngineOptions): Engine {
  return new LocalEngine(options)
}

/**
 * Sandboxes without isolation: the real agent as an ordinary process with a folder of its own. For development on machines
 * without Docker, and for fast tests. The agent dials in, so that a lost link can be made again, by the next server too.
 */
class LocalEngine implements Engine {
  readonly #options: LocalEngineOptions
  readonly #folders: SandboxFolders
  readonly #images: ImageFolders
  readonly #feed = new EventFeed()
  readonly #locks = new KeyedLock()
  readonly #live = new Map<string, Live>()
  #watch: NodeJS.Timeout | undefined

  constructor(options: LocalEngineOptions) {
    this.#options = options
    this.#folders = new SandboxFolders(options.dataDir)
    this.#images = new ImageFolders(options.dataDir)
  }

  async open({ signal }: CallOptions = {}): Promise<EngineInfo> {
    signal?.throwIfAborted()
    await this.#folders.open()
    await this.#images.open()
    const ids = await this.#folders.ids()
    await this.#killStrays(new Set(ids))
    await untilAborted(Promise.all(ids.map((id) => this.#locks.run(id, () => this.#rejoin(id)))), signal)
    this.#watch ??= setInterval(() => void this.#look(), WATCH_MS).unref()
    const warnings = [WARNING]
    return {
      name: 'local',
      version: process.version,
      link: 'dial',
      diskLimit: false,
      fingerprint: await this.#fingerprint(),
      warnings,
    }
  }

  /** The agent as it is on the disk now. */
  async #fingerprint(): Promise<string> {
    const { size, mtimeMs } = await stat(this.#options.agentBinary)
    return `local-${size}-${mtimeMs}`
  }

  async resolveTemplate(reference: string, { signal }: CallOptions = {}): Promise<Template> {
    signal?.throwIfAborted()
    const { defaultTemplate } = this.#options
    if (reference !== 'local' && reference !== defaultTemplate) {
      throw new SandboxError(
        'TEMPLATE_NOT_FOUND',
        `the local engine has no images, so no template "${reference}"; use "local"`,
      )
    }
    return { reference, imageId: NO_IMAGE, env: { PATH }, user: null, workdir: null, volumes: [] }
  }

  async resolveImage(ref: ImageRef, reference: string, { signal }: CallOptions = {}): Promise<Template> {
    signal?.throwIfAborted()
    const image = await this.#images.find(ref)
    if (image === null) throw new SandboxError('TEMPLATE_NOT_FOUND', `no image of ${reference} in the data folder`)
    const { env = { PATH }, user = null, workdir = null } = image
    return { reference, imageId: ref, env, user, workdir, volumes: [] }
  }

  async create({ id, record, resources, template }: SandboxSpec, { signal }: CallOptions = {}): Promise<EngineCreated> {
    signal?.throwIfAborted()
    if (resources.diskMb !== null) {
      throw new SandboxError('NOT_SUPPORTED_BY_ENGINE', 'the local engine limits no disk; leave resources.disk_mb out')
    }
    const folder = this.#folders.of(id)
    const image = template.imageId === NO_IMAGE ? undefined : template.imageId
    await this.#locks.run(id, () => folder.create({ id, record, image }), { signal })
    if (image !== undefined) await this.#fill(folder, image, signal)
    const { uid, gid } = userInfo()
    return { ref: id, fixed: { cwd: folder.home, user: `${uid}:${gid}` } }
  }

  async start(id: string, _ref: EngineRef, { signal }: CallOptions = {}): Promise<void> {
    await this.#locks.run(id, () => this.#start(id, signal), { signal })
  }

  async stop(id: string, _ref: EngineRef, { signal }: CallOptions = {}): Promise<void> {
    await this.#locks.run(id, async () => this.#end(await this.#require(id)), { signal })
  }

  /** Limits are not enforced here: there is nothing to change. */
  async update(id: string, _ref: EngineRef, _resources: Resources, { signal }: CallOptions = {}): Promise<void> {
    await this.#locks.run(id, async () => void (await this.#require(id)), { signal })
  }

  /** Nor is there a network of its own. */
  async setNetwork(id: string, _ref: EngineRef, _network: Network, { signal }: CallOptions = {}): Promise<void> {
    await this.#locks.run(id, async () => void (await this.#require(id)), { signal })
  }

  async pause(id: string, ref: EngineRef, { signal }: CallOptions = {}): Promise<void> {
    await this.#locks.run(id, async () => await freezeTree((await this.#requireRun(id)).pid), { signal })
    this.#feed.publish({ type: 'paused', id, ref })
  }

  async resume(id: string, ref: EngineRef, { signal }: CallOptions = {}): Promise<void> {
    await this.#locks.run(id, async () => thawTree((await this.#requireRun(id)).pid), { signal })
    this.#feed.publish({ type: 'resumed', id, ref })
  }

  async remove(id: string, _ref: EngineRef | null, { signal }: CallOptions = {}): Promise<void> {
    await this.#locks.run(
      id,
      async () => {
        const folder = this.#folders.of(id)
        const existed = await folder.exists()
        await this.#end(folder)
        await folder.remove()
        if (existed) this.#feed.publish({ type: 'removed', id, ref: id })
      },
      { signal },
    )
  }

  async list({ signal }: CallOptions = {}): Promise<EngineSandbox[]> {
    signal?.throwIfAborted()
    const found = await Promise.all((await this.#folders.ids()).map((id) => this.#view(id)))
    return found.filter((sandbox) => sandbox !== null)
  }

  async inspect(id: string, _ref: EngineRef, { signal }: CallOptions = {}): Promise<EngineSandbox> {
    signal?.throwIfAborted()
    const sandbox = await this.#view(id)
    if (sandbox === null) throw notFound()
    return sandbox
  }

  /** `addedBytes` is 0: nobody counts here. */
  async commit(
    id: string,
    _ref: EngineRef,
    image: ImageSpec,
    { signal }: CallOptions = {},
  ): Promise<EngineImage & { addedBytes: number }> {
    const copy = async (): Promise<EngineImage & { addedBytes: number }> => {
      const folder = await this.#require(id)
      const { run } = await folder.readState()
      const freeze = isAlive(run) && !isFrozen(run.pid) ? run : null
      if (freeze !== null) await freezeTree(freeze.pid)
      try {
        return { ...(await this.#images.create(image, folder.home, signal)), addedBytes: 0 }
      } finally {
        if (freeze !== null) thawTree(freeze.pid)
      }
    }
    return await this.#locks.run(id, copy, { signal })
  }

  async listImages({ signal }: CallOptions = {}): Promise<EngineImage[]> {
    signal?.throwIfAborted()
    return await this.#images.list()
  }

  async removeImage(ref: ImageRef, { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    for (const id of await this.#folders.ids()) {
      if ((await this.#folders.of(id).readIdentity())?.image !== ref) continue
      throw new SandboxError('IMAGE_IN_USE', 'sandboxes are still made of this image; delete them first')
    }
    await this.#images.remove(ref)
  }

  /** What an earlier run left was killed and removed at `open`. */
  async removeLeftovers({ signal }: CallOptions = {}): Promise<Leftovers> {
    signal?.throwIfAborted()
    return { helpers: 0, linkFolders: 0, agentVolumes: 0, strangers: 0 }
  }

  async createVolume(_spec: VolumeSpec, { signal }: CallOptions = {}): Promise<string> {
    signal?.throwIfAborted()
    throw new SandboxError(
      'NOT_SUPPORTED_BY_ENGINE',
      'the local engine has no volumes: its sandboxes see the folders of this machine; use K2_ENGINE=docker',
    )
  }

  async listVolumes({ signal }: CallOptions = {}): Promise<EngineVolume[]> {
    signal?.throwIfAborted()
    return []
  }

  async volumeSizes({ signal }: CallOptions = {}): Promise<Map<string, number>> {
    signal?.throwIfAborted()
    return new Map()
  }

  async removeVolume(_ref: string, { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted()
  }

  async changes(id: string, _ref: EngineRef, { signal }: CallOptions = {}): Promise<FileChange[]> {
    signal?.throwIfAborted()
    const folder = await this.#require(id)
    const image = (await folder.readIdentity())?.image
    return await folderChanges(folder.home, image === undefined ? null : this.#images.filesOf(image))
  }

  events({ signal }: { signal: AbortSignal }): AsyncIterable<EngineEvent> {
    return this.#feed.subscribe(signal)
  }

  async connect(id: string, _ref: EngineRef, { signal }: CallOptions = {}): Promise<Duplex> {
    signal?.throwIfAborted()
    await this.#requireRun(id)
    const live = this.#live.get(id)
    if (live === undefined)
      throw new SandboxError('AGENT_UNAVAILABLE', "the sandbox's agent can't be reached; restart the sandbox")
    const late = () =>
      new SandboxError(
        'AGENT_UNAVAILABLE',
        `the sandbox's agent did not connect within ${CONNECT_LIMIT_MS} ms; try again`,
      )
    return withDeadline(CONNECT_LIMIT_MS, late, signal, (limit) => live.socket.take(limit))
  }

  async readArchive(id: string, _ref: EngineRef, path: string, { signal }: CallOptions = {}): Promise<Readable> {
    signal?.throwIfAborted()
    return readFolderArchive((await this.#requireStopped(id)).home, path, signal)
  }

  async writeArchive(
    id: string,
    _ref: EngineRef,
    path: string,
    tar: Readable,
    { signal }: CallOptions = {},
  ): Promise<void> {
    signal?.throwIfAborted()
    const folder = await this.#requireStopped(id)
    await this.#locks.run(id, () => writeFolderArchive(folder.home, path, tar, signal), { signal })
  }

  async close(): Promise<void> {
    clearInterval(this.#watch)
    this.#watch = undefined
    for (const { socket } of this.#live.values()) socket.close()
    this.#live.clear()
  }

  /** The files of an image, into a folder that was just made. */
  async #fill(folder: SandboxFolder, image: ImageRef, signal: AbortSignal | undefined): Promise<void> {
    try {
      if ((await this.#images.find(image)) === null)
        throw new SandboxError('TEMPLATE_NOT_FOUND', 'the image of this sandbox is not in the data folder any more')
      await copyTree(this.#images.filesOf(image), folder.home, signal)
    } catch (error) {
      await folder.remove()
      throw error
    }
  }

  async #start(id: string, signal: AbortSignal | undefined): Promise<void> {
    const folder = await this.#require(id)
    if (isAlive((await folder.readState()).run)) return
    const token = newToken()
    const socket = await AgentSocket.open(folder.socketPath, token)
    try {
      const { run, ended } = await spawnAgent(this.#options.agentBinary, folder, token)
      await folder.writeState({ run, started: true, exitCode: null })
      const live = { run, socket, ended }
      this.#live.set(id, live)
      await this.#untilReady(folder, live, signal)
      void ended.then((exitCode) => this.#seeEnd(id, live, exitCode))
      this.#feed.publish({ type: 'started', id, ref: id })
    } catch (error) {
      socket.close()
      await this.#end(folder)
      throw error
    }
  }

  /** The agent's hello, or what it printed instead. */
  async #untilReady(folder: SandboxFolder, { socket, ended }: Live, signal: AbortSignal | undefined): Promise<void> {
    const failed = async (fact: string) =>
      new SandboxError('SANDBOX_START_FAILED', `the sandbox did not start: ${fact}`, {
        details: { output: await lastOutput(folder) },
      })
    const late = new Error('late')
    const step = async (limit: AbortSignal) => {
      const exitCode = await Promise.race([socket.ready(limit), ended ?? new Promise<never>(() => {})])
      if (exitCode !== undefined) throw await failed(`its agent ended with exit code ${exitCode}`)
    }
    try {
      await withDeadline(START_LIMIT_MS, () => late, signal, step)
    } catch (error) {
      throw error === late ? await failed(`its agent did not answer within ${START_LIMIT_MS} ms`) : error
    }
  }

  /** Kills all that runs in it. Also what an agent that died left behind, as far as it works in the sandbox's folder. */
  async #end(folder: SandboxFolder): Promise<void> {
    const state = await folder.readState()
    const id = folder.path.slice(this.#folders.root.length + 1)
    const live = this.#live.get(id)
    this.#live.delete(id)
    // By its socket, too: the state may be gone with the folder, and the agent with it would dial for ever.
    const agents = pidsWithArgument((word) => word === folder.socketPath)
    for (const pid of agents) await killTree(pid)
    if (state.started || agents.length > 0) killInFolder(folder.path)
    live?.socket.close()
    if (state.run === null || !(await folder.exists())) return
    await folder.writeState({ ...state, run: null, exitCode: 137 })
    this.#feed.publish({ type: 'died', id, ref: id, exitCode: 137, outOfMemory: false })
  }

  /** An agent ended that nobody here had ended. Never throws: its callers wait for nothing. */
  async #seeEnd(id: string, live: Live, exitCode: number | null): Promise<void> {
    const settle = async (): Promise<void> => {
      if (this.#live.get(id) !== live) return
      this.#live.delete(id)
      live.socket.close()
      const folder = this.#folders.of(id)
      killInFolder(folder.path)
      if (await folder.exists()) await folder.writeState({ run: null, started: true, exitCode })
      this.#feed.publish({ type: 'died', id, ref: id, exitCode, outOfMemory: false })
    }
    try {
      await this.#locks.run(id, settle)
    } catch (err) {
      this.#options.log.warn({ sandbox: id, err }, 'could not record the end of a local sandbox')
    }
  }

  /** Agents of ours whose folders were removed while no server ran. */
  async #killStrays(known: Set<string>): Promise<void> {
    const root = `${this.#folders.root}/`
    const isStray = (word: string) =>
      word.startsWith(root) && !known.has(word.slice(root.length).split('/', 1)[0] ?? '')
    for (const pid of pidsWithArgument(isStray)) await killTree(pid)
  }

  /** At open: the agent of an earlier server dials in again; one that does not is killed. Half-made folders go. */
  async #rejoin(id: string): Promise<void> {
    const folder = this.#folders.of(id)
    if (!(await folder.exists())) {
      await this.#end(folder)
      await folder.remove()
      return
    }
    const { run } = await folder.readState()
    if (this.#live.has(id)) return
    if (!isAlive(run)) {
      killInFolder(folder.path)
      return
    }
    const socket = await AgentSocket.open(folder.socketPath, run.token)
    const live = { run, socket, ended: null }
    this.#live.set(id, live)
    if (isFrozen(run.pid)) return
    await socket.ready(AbortSignal.timeout(REJOIN_LIMIT_MS)).catch(async (err: unknown) => {
      this.#options.log.warn(
        { sandbox: id, err },
        'the agent of a sandbox of an earlier run of this server did not come back, so it was killed',
      )
      await this.#end(folder)
    })
  }

  /** What no event tells: the end of agents that are no children of ours, and folders that somebody else removed. */
  async #look(): Promise<void> {
    for (const [id, live] of this.#live) {
      try {
        if (!(await this.#folders.of(id).exists()))
          await this.remove(id, id).then(() => this.#feed.publish({ type: 'removed', id, ref: id }))
        else if (live.ended === null && !isAlive(live.run)) await this.#seeEnd(id, live, null)
      } catch (err) {
        this.#options.log.warn({ sandbox: id, err }, 'could not look after a local sandbox')
      }
    }
  }

  /** null when there is none. */
  async #view(id: string): Promise<EngineSandbox | null> {
    const folder = this.#folders.of(id)
    const identity = await folder.readIdentity()
    if (identity === null) return null
    const state = await folder.readState()
    return {
      id,
      ref: id,
      status: statusOf(state),
      record: identity.record,
      exitCode: state.exitCode,
      outOfMemory: false,
    }
  }

  async #require(id: string): Promise<SandboxFolder> {
    const folder = this.#folders.of(id)
    if (!(await folder.exists())) throw notFound()
    return folder
  }

  async #requireRun(id: string): Promise<Run> {
    const { run } = await (await this.#require(id)).readState()
    if (isAlive(run)) return run
    throw new SandboxError('SANDBOX_STATE_CONFLICT', 'the sandbox is not running; start it first')
  }

  async #requireStopped(id: string): Promise<SandboxFolder> {
    const folder = await this.#require(id)
    if (!isAlive((await folder.readState()).run)) return folder
    throw new SandboxError(
      'SANDBOX_STATE_CONFLICT',
      'the sandbox is running; its files are read and written through it',
    )
  }
}

function statusOf({ run, started }: State): EngineSandbox['status'] {
  if (isAlive(run)) return isFrozen(run.pid) ? 'paused' : 'running'
  return started ? 'stopped' : 'created'
}

function notFound(): SandboxError {
  return new SandboxError('SANDBOX_NOT_FOUND', 'Sandbox not found')
}

/**
 * The engine port: all that the core knows of what runs sandboxes. Two adapters: `docker/` and `local/`.
 * Every call takes an AbortSignal from the caller and has a deadline of its own inside; errors are SandboxErrors:
 * ENGINE_UNAVAILABLE (nothing answers; `retryAfterSeconds` set), ENGINE_TIMEOUT, SANDBOX_NOT_FOUND (the engine has no such
 * sandbox), SANDBOX_STATE_CONFLICT, TEMPLATE_NOT_FOUND, TEMPLATE_INVALID, SANDBOX_START_FAILED, IMAGE_IN_USE, VOLUME_IN_USE, VOLUME_NOT_FOUND, DISK_FULL,
 * NOT_SUPPORTED_BY_ENGINE.
 */
import type { Duplex, Readable } from 'node:stream'

export interface CallOptions {
  /** Ends the call with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** Limits of one sandbox, each within the server's. */
export interface Resources {
  /** Cores, fractions allowed. */
  cpus: number
  memoryMb: number
  /** Processes and threads, the agent's (about 40) included. */
  pids: number
  /** Writable layer. Enforced where the engine can (EngineInfo.diskLimit), null: no limit asked. */
  diskMb: number | null
}

export type Network = 'internet' | 'none'

/** What an image says of itself, read once per image id. */
export interface Template {
  /** As the client named it, e.g. `python:3.13`. */
  reference: string
  imageId: string
  /** The image's ENV. */
  env: Record<string, string>
  /** The image's USER, null when it names none. */
  user: string | null
  /** The image's WORKDIR, null when it names none. */
  workdir: string | null
  /** Paths the image declares as VOLUME. */
  volumes: string[]
}

export interface SandboxSpec {
  /** 20 characters of [a-z0-9], the core's. */
  id: string
  template: Template
  resources: Resources
  network: Network
  /** Absent: none. */
  mounts?: Mount[] | undefined
  /**
   * Opaque text of the core's that never changes for this sandbox (≤ 8 KiB); kept with it in the engine, signed with the
   * instance's secret together with the id, and given back by `list`.
   */
  record: string
}

/** A volume that a sandbox is made with. */
export interface Mount {
  /** Of `createVolume`. */
  volume: VolumeRef
  /** Absolute, below no other, nothing of the system's. Made where the image has none. */
  path: string
  readOnly: boolean
}

/** The engine's own handle of a volume. */
export type VolumeRef = string

export interface VolumeSpec {
  /** 20 characters of [a-z0-9], the core's. */
  id: string
  /** Opaque text of the core's (≤ 7 KiB), as that of a sandbox. */
  record: string
}

export interface EngineVolume extends VolumeSpec {
  ref: VolumeRef
}

/** How much was removed. */
export interface Leftovers {
  /** Containers that carry something into a volume, or try the engine. */
  helpers: number
  /** Folders of links on the host. */
  linkFolders: number
  /** Volumes of agents that no sandbox runs any more. */
  agentVolumes: number
  /** Not removed: they carry this instance's name without its signature. */
  strangers: number
}

/** What an image of ours is for: each has an owner in the core of its own. */
export type ImageKind = 'snapshot' | 'template'

/** The engine's own handle of an image: `sha256:…` for Docker. What `Template.imageId` takes. */
export type ImageRef = string

/** What `commit` is to make. */
export interface ImageSpec {
  kind: ImageKind
  /** 20 characters of [a-z0-9], the core's; one image an id. */
  id: string
  /** Opaque text of the core's (≤ 7 KiB); kept with the image, signed, and given back by `listImages`. */
  record: string
  /** What the image says of itself; what is absent it says as the image that its sandbox was made of. `env` replaces all of it. */
  env?: Record<string, string> | undefined
  user?: string | undefined
  workdir?: string | undefined
}

export interface EngineImage {
  kind: ImageKind
  id: string
  ref: ImageRef
  record: string
  /** By the engine's clock, while the sandbox stood still: what its files changed by later is not in it. */
  createdAt: number
}

/** One difference between the files of a sandbox and those of its image. */
export interface FileChange {
  /** Absolute, as the engine tells it: what is no UTF-8 in a name is replaced. */
  path: string
  kind: 'added' | 'modified' | 'deleted'
}

/** The engine's own handle: the full container id for Docker. Opaque to the core, stored in its database. */
export type EngineRef = string

export type EngineStatus = 'created' | 'running' | 'paused' | 'stopped'

export interface EngineSandbox {
  id: string
  ref: EngineRef
  status: EngineStatus
  record: string
  /** Exit code of the last run, null while running or never started. */
  exitCode: number | null
  /** The kernel's out-of-memory killer ended PID 1. */
  outOfMemory: boolean
}

/** Seen without polling, in order per sandbox. `ref` when the engine knows it. */
export type EngineEvent =
  | { type: 'died'; id: string; ref: EngineRef; exitCode: number | null; outOfMemory: boolean }
  | { type: 'started' | 'paused' | 'resumed' | 'removed' | 'outOfMemory'; id: string; ref: EngineRef }
  /** The engine does not answer (any more); `resync` follows when it does. */
  | { type: 'lost' }
  /** The stream of events was lost and is back: what happened between is unknown, reconcile. */
  | { type: 'resync' }

export interface EngineInfo {
  name: 'docker' | 'local'
  version: string
  /** How `connect` reaches the agent. */
  link: 'dial' | 'exec' | 'stdio'
  /** Whether resources.diskMb is enforced. */
  diskLimit: boolean
  /** Changes when sandboxes are made otherwise than before: another agent, link or server version. */
  fingerprint: string
  /** Sentences an operator should read at start (old runc, no disk limit…). */
  warnings: string[]
}

/** What `create` made, and what the engine decides itself: `local` has one folder and one user, `docker` leaves both to the caller. */
export interface EngineCreated {
  ref: EngineRef
  fixed: { cwd: string; user: string } | null
}

export interface Engine {
  /** Reads the engine, prepares what is shared (agent volume, network), probes the link. Called once before all else; may be called again after a loss. */
  open(options?: CallOptions): Promise<EngineInfo>

  /** The image's own settings; pulls it when it is not there and a registry answers. TEMPLATE_NOT_FOUND with name and reason. */
  resolveTemplate(reference: string, options?: CallOptions): Promise<Template>

  /** The same for an image that `commit` made; only by this way is one a template. `reference` is what the answer carries as its name. */
  resolveImage(ref: ImageRef, reference: string, options?: CallOptions): Promise<Template>

  /** Makes the sandbox, not started. Leaves nothing behind when it throws. */
  create(spec: SandboxSpec, options?: CallOptions): Promise<EngineCreated>

  /** Starts a created or stopped sandbox. Throws SANDBOX_START_FAILED with `details.output`, the last lines the container printed. No-op when running. */
  start(id: string, ref: EngineRef, options?: CallOptions): Promise<void>

  /** Ends all processes at once; the disk stays. No-op when stopped. The agent's graceful phase comes before, see core. */
  stop(id: string, ref: EngineRef, options?: CallOptions): Promise<void>

  /**
   * New limits for a sandbox, at once when it runs and for every later start. `diskMb` stays what it was. SANDBOX_STATE_CONFLICT
   * when it can't get them, as when it uses more memory than that.
   */
  update(id: string, ref: EngineRef, resources: Resources, options?: CallOptions): Promise<void>

  /**
   * Puts a sandbox in any state on another network, at once and for every later start. Idempotent: done again where a crash may
   * have cut it off. NOT_SUPPORTED_BY_ENGINE as `create`.
   */
  setNetwork(id: string, ref: EngineRef, network: Network, options?: CallOptions): Promise<void>

  /** Freezes all of its processes; they go on where they were. */
  pause(id: string, ref: EngineRef, options?: CallOptions): Promise<void>
  resume(id: string, ref: EngineRef, options?: CallOptions): Promise<void>

  /** Kills and removes the sandbox with all it wrote, and the link's files on the host. Idempotent: nothing there is success. */
  remove(id: string, ref: EngineRef | null, options?: CallOptions): Promise<void>

  /** Every sandbox of this instance whose signature is right, running or not. Others are not ours, whatever their labels say. */
  list(options?: CallOptions): Promise<EngineSandbox[]>

  /** SANDBOX_NOT_FOUND when the engine has it no more. */
  inspect(id: string, ref: EngineRef, options?: CallOptions): Promise<EngineSandbox>

  /**
   * An image of the files of a sandbox in any state, as they are at one moment: a running one stands still meanwhile, and its link
   * is silent. Not in it: processes, and what lies on mounts (volumes, /dev/shm, paths that its image declares as VOLUME). Of
   * ourselves nothing is in it either. Whoever aborts does not end the engine's work: what comes of it is removed then.
   * `addedBytes`: by how much it is larger than the image that the sandbox was made of.
   */
  commit(
    id: string,
    ref: EngineRef,
    image: ImageSpec,
    options?: CallOptions,
  ): Promise<EngineImage & { addedBytes: number }>

  /** Every image that `commit` made for this instance and whose signature is right; the one of an id that we named, when there are several. */
  listImages(options?: CallOptions): Promise<EngineImage[]>

  /** Idempotent: nothing there is success. IMAGE_IN_USE while a sandbox, or another image, is made of it, or somebody else has named it. */
  removeImage(ref: ImageRef, options?: CallOptions): Promise<void>

  /** A place for files that outlives sandboxes, empty, in which every user may write. NOT_SUPPORTED_BY_ENGINE */
  createVolume(spec: VolumeSpec, options?: CallOptions): Promise<VolumeRef>

  /** Every volume of this instance whose signature is right. */
  listVolumes(options?: CallOptions): Promise<EngineVolume[]>

  /** How many bytes the files of each take. Takes its time: all of them are counted. */
  volumeSizes(options?: CallOptions): Promise<Map<VolumeRef, number>>

  /** With all in it. Idempotent: nothing there is success. VOLUME_IN_USE while a sandbox is made with it. */
  removeVolume(ref: VolumeRef, options?: CallOptions): Promise<void>

  /**
   * Removes what crashes left that is neither sandbox, image nor volume: only what is signed as ours, and nothing that may be under
   * way in this process. Every so often.
   */
  removeLeftovers(options?: CallOptions): Promise<Leftovers>

  /**
   * How the files of a sandbox in any state differ from those of the image that it was made of, sorted by path. Folders in
   * which something changed are told as modified. Mounts are left out. FILE_TOO_LARGE when there are too many to tell.
   */
  changes(id: string, ref: EngineRef, options?: CallOptions): Promise<FileChange[]>

  /** Until the signal aborts; reconnects by itself, with a `resync` event after each gap. */
  events(options: { signal: AbortSignal }): AsyncIterable<EngineEvent>

  /** A byte stream on which the agent of a running sandbox speaks HTTP/2. The caller destroys it. A new call after a loss gives a new one. */
  connect(id: string, ref: EngineRef, options?: CallOptions): Promise<Duplex>

  /** Tar of one path of a stopped sandbox. FILE_NOT_FOUND. The caller reads to the end or destroys it. */
  readArchive(id: string, ref: EngineRef, path: string, options?: CallOptions): Promise<Readable>

  /** Unpacks a tar that the server itself made (never a client's) below an existing folder of a stopped sandbox. */
  writeArchive(id: string, ref: EngineRef, path: string, tar: Readable, options?: CallOptions): Promise<void>

  /** Releases connections and timers. Sandboxes stay as they are. Idempotent. */
  close(): Promise<void>
}

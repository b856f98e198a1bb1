import { posix } from 'node:path'
import type { ContainerCreateOptions, HostConfig, MountSettings } from 'dockerode'
import type { Mount, Resources, SandboxSpec } from '../types.ts'
import { agentEnv } from './agent-env.ts'
import { volumeTmpfs } from './image-volumes.ts'
import { agentToken, type ContainerKind, signLabels } from './labels.ts'
import { MASKED_PATHS, READONLY_PATHS } from './masked-paths.ts'
import type { LinkKind } from './options.ts'

/** What a container needs beside the sandbox's own specification: read or made once, at `open`. */
export interface SpecFacts {
  instance: string
  secret: Buffer
  link: LinkKind
  /** Host folder of this sandbox's socket (dial). */
  runDir: string
  /** Named volume that holds the agent. */
  agentVolume: string
  /** Our bridge. */
  network: string
  /** JSON text of the profile; null: the engine's default (only while the project has no profile yet). */
  seccompProfile: string | null
  /** Hard limit of open files that the engine can grant; null: it grants none that we tried. */
  openFilesHard: number | null
  /** Whether the storage driver enforces `size`. */
  diskLimit: boolean
}

const MEBIBYTE = 1024 * 1024
const CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID']
const OPEN_FILES_SOFT = 4096
export const AGENT_PATH = '/.k2/agent'
export const AGENT_SOCKET = '/.k2run/agent.sock'
export const LINK_SOCKET = 'link.sock'

/**
 * The one place where container settings are made: body of `POST /containers/create` for a sandbox (security.md 2.1,
 * standard profile, and 2.4). Pure. Nothing of the client reaches a security field: only numbers from `resources`, the
 * `network` of two, the image's id, variable names and volume paths, and names and places of our own volumes. Throws TEMPLATE_INVALID for impossible volumes.
 */
export function containerSpec(
  spec: SandboxSpec,
  facts: SpecFacts,
  kind: ContainerKind = 'sandbox',
): ContainerCreateOptions {
  const { id, record, template } = spec
  const { instance, link } = facts
  return {
    Image: template.imageId,
    Hostname: 'sandbox',
    User: '0',
    WorkingDir: '/',
    Env: agentEnv(template.env, link === 'dial' ? agentToken(facts.secret, id) : null),
    Entrypoint: [AGENT_PATH],
    Cmd: link === 'dial' ? ['serve', '--dial', `/.k2run/${LINK_SOCKET}`] : ['serve', '--listen', AGENT_SOCKET],
    Labels: signLabels(facts.secret, { kind, id, instance, link, record }),
    Healthcheck: { Test: ['NONE'] },
    StopSignal: 'SIGKILL',
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    OpenStdin: false,
    Tty: false,
    HostConfig: hostConfig(spec, facts),
  }
}

function hostConfig({ resources, network, template, mounts: asked = [] }: SandboxSpec, facts: SpecFacts): HostConfig {
  const memoryBytes = resources.memoryMb * MEBIBYTE
  return {
    // isolation
    Privileged: false,
    CapDrop: ['ALL'],
    CapAdd: CAPABILITIES,
    SecurityOpt: [
      'no-new-privileges:true',
      ...(facts.seccompProfile === null ? [] : [`seccomp=${facts.seccompProfile}`]),
    ],
    CgroupnsMode: 'private',
    IpcMode: 'private',
    PidMode: '',
    UTSMode: '',
    UsernsMode: '',
    MaskedPaths: [...MASKED_PATHS],
    ReadonlyPaths: [...READONLY_PATHS],
    ReadonlyRootfs: false,
    NetworkMode: network === 'internet' ? facts.network : 'none',
    PortBindings: {},
    PublishAllPorts: false,
    // limits
    ...changeableLimits(resources),
    OomScoreAdj: 300,
    ShmSize: Math.min(64 * MEBIBYTE, Math.floor(memoryBytes / 8)),
    Ulimits: ulimits(facts.openFilesHard),
    ...(facts.diskLimit && resources.diskMb !== null ? { StorageOpt: { size: `${resources.diskMb}m` } } : {}),
    // what it sees of us
    Mounts: [...mounts(facts), ...asked.map(volumeMount)],
    Tmpfs: tmpfs(withoutMounts(template.volumes, asked), memoryBytes, facts.link),
    // life
    Init: false,
    LogConfig: { Type: 'none', Config: {} },
    RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
    AutoRemove: false,
  } satisfies HostConfigSent as HostConfig
}

/** Raised with each change of the spec: containers that wait in a pool are made anew then. */
export const SPEC_VERSION = '1'

/** Those that `POST /containers/{id}/update` can set as well. */
export function changeableLimits({ cpus, memoryMb, pids }: Resources) {
  const memoryBytes = memoryMb * MEBIBYTE
  return {
    Memory: memoryBytes,
    MemorySwap: memoryBytes,
    NanoCpus: Math.round(cpus * 1e9),
    CpuShares: Math.max(2, Math.round(cpus * 1024)),
    PidsLimit: pids,
  }
}

/** Fields that the API has and the type package lacks or calls otherwise. */
type HostConfigSent = Omit<HostConfig, 'CgroupnsMode'> & { CgroupnsMode: 'private' }

function ulimits(openFilesHard: number | null): { Name: string; Soft: number; Hard: number }[] {
  const openFiles =
    openFilesHard === null
      ? []
      : [{ Name: 'nofile', Soft: Math.min(OPEN_FILES_SOFT, openFilesHard), Hard: openFilesHard }]
  return [
    ...openFiles,
    { Name: 'core', Soft: 0, Hard: 0 },
    { Name: 'memlock', Soft: 65_536, Hard: 65_536 },
    { Name: 'msgqueue', Soft: 819_200, Hard: 819_200 },
  ]
}

function mounts({ link, agentVolume, runDir }: SpecFacts): MountSettings[] {
  const agent: MountSettings = {
    Type: 'volume',
    Source: agentVolume,
    Target: '/.k2',
    ReadOnly: true,
    VolumeOptions: NO_COPY,
  }
  if (link === 'exec') return [agent]
  return [
    agent,
    { Type: 'bind', Source: runDir, Target: '/.k2run', ReadOnly: true, BindOptions: { Propagation: 'rprivate' } },
  ]
}

/** Of ours by name: neither a folder of the host nor a driver option is ever in it. */
function volumeMount({ volume, path, readOnly }: Mount): MountSettings {
  return { Type: 'volume', Source: volume, Target: path, ReadOnly: readOnly, VolumeOptions: NO_COPY }
}

/** What the image declares as VOLUME and a volume is mounted at needs no tmpfs. */
export function withoutMounts(volumes: string[], mounts: Pick<Mount, 'path'>[]): string[] {
  return volumes.filter((volume) => !mounts.some(({ path }) => path === posix.resolve('/', volume)))
}

/** The image must not put its own /.k2 into a fresh volume. */
const NO_COPY: NonNullable<MountSettings['VolumeOptions']> = {
  NoCopy: true,
  Labels: {},
  DriverConfig: { Name: '', Options: {} },
}

function tmpfs(volumes: string[], memoryBytes: number, link: LinkKind): Record<string, string> {
  const own = link === 'exec' ? { '/.k2run': 'rw,nosuid,nodev,noexec,size=64k,nr_inodes=16,mode=0700' } : {}
  return { ...volumeTmpfs(volumes, memoryBytes), ...own }
}

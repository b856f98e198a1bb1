/** Small stand-ins for the core, so that tests of the HTTP edge can see what reaches it and choose what it answers. */

import { Readable } from 'node:stream'
import { buildApp, type Deps } from '../../../src/app.ts'
import type { EgressView } from '../../../src/core/egress/egress.ts'
import type {
  CodeContext,
  CodeResult,
  CommandResult,
  FileEntry,
  OutputPart,
  RunningProcess,
  Sandbox,
  Snapshot,
} from '../../../src/core/model.ts'
import type { Volume } from '../../../src/core/volumes/volume.ts'
import { SandboxError } from '../../../src/errors.ts'

export const ID = 'abcdefghij0123456789'

export const SANDBOX: Sandbox = {
  id: ID,
  name: null,
  status: 'running',
  reason: null,
  template: 'k2data/sandbox-base:latest',
  cwd: '/home/user',
  user: 'user',
  envs: { SECRET: 'not for answers' },
  metadata: { team: 'search' },
  resources: { cpus: 1, memoryMb: 1024, pids: 512, diskMb: null },
  network: 'internet',
  volumes: [],
  timeoutSeconds: 300,
  onTimeout: 'delete',
  autoResume: false,
  maxLifetimeSeconds: null,
  warm: false,
  origin: null,
  createdAt: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  expiresAt: null,
}

const USAGE = { cpuSeconds: 0.5, peakMemoryBytes: 1024, wallSeconds: 1 }
const ENDED = {
  exitCode: 0,
  reason: 'exited',
  signal: null,
  usage: USAGE,
  truncated: false,
  startedAt: 1000,
  finishedAt: 2500,
} as const

export const COMMAND: CommandResult = {
  ...ENDED,
  processId: 'p1',
  stdout: Buffer.from('out\n'),
  stderr: Buffer.from('err\n'),
}

export const CODE: CodeResult = {
  ...ENDED,
  processId: 'p1',
  language: 'python',
  contextId: 'default-python',
  stateLost: false,
  displays: [{ data: { 'text/plain': '2' }, main: true, displayId: null, truncated: [] }],
  logs: { stdout: [{ line: '1\n', error: false, timestampMs: 1500 }], stderr: [] },
  error: null,
}

export const CONTEXT: CodeContext = {
  id: 'default-python',
  language: 'python',
  version: '3.13.5',
  cwd: '/home/user',
  user: 'user',
  state: 'idle',
  createdAt: 1000,
  runs: 2,
  restarts: 0,
}

export const ENTRY: FileEntry = {
  name: 'a.txt',
  nameBase64: null,
  path: '/home/user/a.txt',
  type: 'file',
  sizeBytes: 3,
  mode: 0o644,
  uid: 1000,
  gid: 1000,
  mtime: 0,
  target: null,
  etag: '1-2-3',
}

export const PROCESS: RunningProcess = {
  id: 'p1',
  pid: 50,
  command: 'sleep 1',
  cwd: '/home/user',
  user: 'user',
  tag: null,
  keepAlive: false,
  pty: null,
  contextId: null,
  state: 'running',
  startedAt: 0,
  endedAt: null,
  exitCode: null,
  signal: null,
  reason: null,
  usage: null,
  outputBytes: 0,
  droppedBytes: 0,
}

const SNAPSHOT: Snapshot = {
  id: '9d3h5k7m2p4r6t8v1x0z',
  name: 'kept',
  status: 'ready',
  metadata: {},
  sandboxId: ID,
  template: SANDBOX.template,
  cwd: SANDBOX.cwd,
  user: SANDBOX.user,
  resources: SANDBOX.resources,
  network: SANDBOX.network,
  tracksChanges: false,
  sizeBytes: 1,
  createdAt: 0,
}

const OUTPUT: OutputPart = {
  stdout: Buffer.from('out\n'),
  stderr: Buffer.alloc(0),
  nextOffset: 4,
  droppedBytes: 0,
  complete: false,
  process: PROCESS,
}

function onlyKnown(id: string): Sandbox {
  if (id !== ID) throw new SandboxError('SANDBOX_NOT_FOUND', 'Sandbox not found')
  return SANDBOX
}

export const LEFTOVERS = { helpers: 0, linkFolders: 0, agentVolumes: 0, strangers: 0 }

const VOLUME: Volume = {
  name: 'models',
  status: 'ready',
  sizeMb: null,
  usedBytes: null,
  measuredAt: null,
  labels: {},
  createdAt: 1_700_000_000_000,
  usedBy: [],
}

const WAY_OUT: EgressView = {
  port: 20_000,
  allow: [{ host: 'a.example', cidr: null, ports: [443], headers: { authorization: 'secret' }, tls: false }],
  decisions: [],
}

export type Changes = Partial<Omit<Deps, 'commands' | 'code'>> & {
  commands?: Partial<Deps['commands']>
  code?: Partial<Deps['code']>
}

function noTemplate(): never {
  throw new SandboxError('TEMPLATE_NOT_FOUND', 'no template of that name')
}

function noWebhook(): never {
  throw new SandboxError('WEBHOOK_NOT_FOUND', 'no webhook of that id')
}

/** Answers everything for the sandbox `ID`; `changes` replaces parts. */
export function standIns({ commands, code, ...changes }: Changes = {}): Deps {
  return {
    config: {},
    sandboxes: {
      create: async () => ({ ...SANDBOX, created: true, replayed: false }),
      change: async (id) => onlyKnown(id),
      wait: async (id) => onlyKnown(id),
      pause: async (id) => ({ ...onlyKnown(id), status: 'paused' }),
      get: onlyKnown,
      list: () => ({ sandboxes: [SANDBOX], nextCursor: null }),
      start: async (id) => onlyKnown(id),
      stop: async (id) => ({ ...onlyKnown(id), status: 'stopped' }),
      restart: async (id) => onlyKnown(id),
      setTimeout: (id, timeoutSeconds) => ({ ...onlyKnown(id), timeoutSeconds }),
      remove: (id) => void onlyKnown(id),
    },
    egress: {
      view: (id) => ({ ...WAY_OUT, allow: [onlyKnown(id)].flatMap(() => WAY_OUT.allow) }),
      change: (id, allow) => ({ ...WAY_OUT, allow: [onlyKnown(id)].flatMap(() => allow) }),
    },
    pools: {
      list: () => [],
      get: () => {
        throw new SandboxError('POOL_NOT_FOUND', 'no pool of that name')
      },
      define: async () => {
        throw new SandboxError('TEMPLATE_NOT_FOUND', 'no such image')
      },
      remove: () => {},
    },
    volumes: {
      create: async ({ name }) => ({ ...VOLUME, name }),
      list: () => [VOLUME],
      get: () => VOLUME,
      remove: () => {},
    },
    batches: { run: async () => [] },
    runs: {
      run: async () => {
        throw new SandboxError('SERVER_BUSY', 'too many')
      },
    },
    templates: {
      create: async () => {
        throw new SandboxError('TEMPLATE_NOT_FOUND', 'no such image')
      },
      get: noTemplate,
      list: () => [],
      change: async () => noTemplate(),
      rebuild: noTemplate,
      remove: async () => noTemplate(),
    },
    builds: {
      list: () => [],
      get: noTemplate,
      readLog: () => [],
      follow: async () => noTemplate(),
      remove: async () => noTemplate(),
    },
    webhooks: {
      list: () => [],
      get: noWebhook,
      create: async () => noWebhook(),
      change: async () => noWebhook(),
      replaceSecret: async () => noWebhook(),
      remove: async () => noWebhook(),
      deliveries: noWebhook,
      test: async () => noWebhook(),
    },
    events: { page: () => ({ events: [], next: 0, gap: false }), follow: async () => {} },
    commands: { run: async () => COMMAND, follow: async () => COMMAND, ...commands },
    code: { run: async () => CODE, follow: async () => CODE, ...code },
    contexts: {
      create: async () => CONTEXT,
      list: async () => [CONTEXT],
      get: async () => CONTEXT,
      restart: async () => ({ ...CONTEXT, restarts: 1 }),
      interrupt: async () => CONTEXT,
      remove: async () => {},
    },
    languages: { list: async () => [] },
    files: {
      list: async () => [ENTRY],
      read: async () => Buffer.from('text'),
      write: async () => {},
      remove: async () => {},
    },
    fileContents: {
      stat: async () => ENTRY,
      open: async () => ({
        sizeBytes: 4,
        offset: 0,
        lengthBytes: 4,
        partial: false,
        etag: '1-2-3',
        mode: 0o644,
        mtime: 0,
        body: Readable.from([Buffer.from('text')]),
      }),
      digest: async () => ({ digest: 'AAAA', etag: null }),
      replace: async () => ENTRY,
      remove: async () => {},
    },
    fileTree: {
      makeFolder: async () => ENTRY,
      move: async () => ENTRY,
      copy: async () => ENTRY,
      setAttributes: async () => ENTRY,
      glob: async () => ({ entries: [ENTRY], truncated: false, skipped: 0 }),
      grep: async () => ({ matches: [], truncated: false, filesSearched: 0, filesSkipped: 0 }),
      watch: async () => 'removed',
    },
    archives: { pack: async () => Readable.from([]), unpack: async () => ({ entries: 0, sizeBytes: 0 }) },
    processes: {
      start: async () => PROCESS,
      list: async () => [PROCESS],
      get: async () => PROCESS,
      wait: async () => PROCESS,
      signal: async () => PROCESS,
      resize: async () => PROCESS,
      remove: async () => {},
      writeStdin: async () => {},
    },
    processOutput: {
      read: async () => OUTPUT,
      follow: async () => ({ ...COMMAND, error: null, stateLost: false }),
    },
    ports: {
      list: async () => [],
      wait: async () => [],
      use: async () => ({
        gone: new AbortController().signal,
        connect: async () => {
          throw new SandboxError('PORT_NOT_OPEN', 'nothing listens')
        },
        [Symbol.dispose]: () => {},
      }),
    },
    snapshots: {
      create: async () => SNAPSHOT,
      get: () => SNAPSHOT,
      list: () => ({ snapshots: [SNAPSHOT], nextCursor: null }),
      remove: () => SNAPSHOT.id,
    },
    fork: { create: async (id) => [onlyKnown(id)] },
    changes: {
      list: async () => ({
        changes: [{ path: '/a', kind: 'added', type: 'file', sizeBytes: 3 }],
        nextCursor: null,
      }),
    },
    health: {
      engineAvailable: () => true,
      info: { name: 'docker', version: '20.10.24', link: 'dial' },
      leftovers: () => LEFTOVERS,
    },
    ...changes,
  }
}

export function buildTestApp(changes: Changes = {}) {
  return buildApp(standIns(changes))
}

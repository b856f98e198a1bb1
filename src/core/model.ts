/**
 * The domain's own types: what routes (and later other facades) hand to the core and get back.
 * Times are milliseconds, sizes bytes unless the name says otherwise; `null` means "none".
 */

import type { Readable } from 'node:stream'
import type { TerminalSize } from '../agent/types.ts'
import type { Network, Resources } from '../engine/types.ts'
import type { MemoryLease } from '../lib/memory-budget.ts'
import type { EgressRule } from './egress/rules.ts'
import type { AskedMount, MountRecord } from './volumes/volume.ts'

export interface CallOptions {
  /** The client's: aborted when it has gone. */
  signal?: AbortSignal | undefined
  /** Asked before much is held for the answer. Absent: as much as the limits of the call allow. */
  memory?: Pick<MemoryLease, 'take'> | undefined
}

export type SandboxStatus = 'creating' | 'running' | 'paused' | 'stopped' | 'failed'
export type OnTimeout = 'delete' | 'stop' | 'pause'

/** A request that is done once under its key, however often it is sent. */
export interface Idempotent {
  key: string
  /** Equal for equal requests. */
  fingerprint: string
}

/** What a caller may choose; what is absent gets the server's default. */
export interface CreateSandbox {
  template?: string | undefined
  /** Id or name of a snapshot to begin as; not together with `template`. */
  snapshot?: string | undefined
  cwd?: string | undefined
  envs?: Record<string, string> | undefined
  timeoutSeconds?: number | undefined
  metadata?: Record<string, string> | undefined
  user?: string | undefined
  resources?: Partial<Resources> | undefined
  network?: Network | undefined
  /** With network `none`, or none named. */
  egress?: EgressRule[] | undefined
  onTimeout?: OnTimeout | undefined
  autoResume?: boolean | undefined
  /** 0: no end but the server's own. */
  maxLifetimeSeconds?: number | undefined
  name?: string | undefined
  /** Nobody looks for it after its one use: a start of the server removes it. */
  disposable?: boolean | undefined
  /** A sandbox of that name is the answer where there is one, woken where it sleeps. */
  getOrCreate?: boolean | undefined
  /** Languages whose own contexts start at once. */
  prestart?: string[] | undefined
  once?: Idempotent | undefined
  volumes?: AskedMount[] | undefined
}

/** What changes of a sandbox that there is; what is absent stays. */
export interface ChangeSandbox {
  /** All of them, in place of those of before. */
  metadata?: Record<string, string> | undefined
  /** 0: the server's default. */
  timeoutSeconds?: number | undefined
  onTimeout?: OnTimeout | undefined
  autoResume?: boolean | undefined
  /** 0: no end but the server's own. */
  maxLifetimeSeconds?: number | undefined
  resources?: Partial<Resources> | undefined
  network?: Network | undefined
}

/** A sandbox as the API shows it. */
export interface Sandbox {
  id: string
  name: string | null
  status: SandboxStatus
  /** Why the status is what it is, when there is something to say: `out of memory`, the reason of a failed start… */
  reason: string | null
  template: string
  cwd: string
  user: string
  envs: Record<string, string>
  metadata: Record<string, string>
  resources: Resources
  network: Network
  volumes: Pick<MountRecord, 'name' | 'path' | 'readOnly'>[]
  timeoutSeconds: number
  onTimeout: OnTimeout
  autoResume: boolean
  maxLifetimeSeconds: number | null
  /** It was made ahead, and given to its caller from a pool. */
  warm: boolean
  /** null: made of an image. */
  origin: Origin | null
  createdAt: number
  /** When inactivity or its longest life ends it, as things stand; null: neither does. */
  expiresAt: number | null
}

/** What a sandbox was copied from; `snapshotId` null: from the other sandbox itself. */
export interface Origin {
  sandboxId: string
  snapshotId: string | null
}

/** `lost`: its image is not on the engine any more. */
export type SnapshotStatus = 'ready' | 'lost'

export interface CreateSnapshot {
  name?: string | undefined
  /** Keep what had changed, so that it can be told later what changed since. */
  trackChanges?: boolean | undefined
  metadata?: Record<string, string> | undefined
}

/** A snapshot as the API shows it. */
export interface Snapshot {
  id: string
  name: string | null
  status: SnapshotStatus
  metadata: Record<string, string>
  sandboxId: string
  template: string
  cwd: string
  user: string
  resources: Resources
  network: Network
  /** It can be told what changed since. */
  tracksChanges: boolean
  /** What it adds to that of which its sandbox was made. 0: not known. */
  sizeBytes: number
  createdAt: number
}

export interface SnapshotFilter {
  status?: SnapshotStatus | undefined
  name?: string | undefined
  sandboxId?: string | undefined
  /** All pairs must match. */
  metadata?: Record<string, string> | undefined
  /** 1 to 1,000. */
  limit: number
  cursor?: string | undefined
}

export interface SnapshotPage {
  snapshots: Snapshot[]
  /** null on the last page. */
  nextCursor: string | null
}

export interface ForkSandbox extends Omit<CreateSandbox, 'template' | 'snapshot' | 'getOrCreate'> {
  count: number
}

export interface ChangesQuery {
  /** Id or name of a snapshot of the same sandbox; absent: since the sandbox was made. */
  since?: string | undefined
  limit: number
  cursor?: string | undefined
}

export interface ChangedFile {
  path: string
  kind: 'added' | 'modified' | 'deleted'
  /** null where asking for it would cost too much, and of what was deleted. */
  type: FileType | null
  sizeBytes: number | null
}

export interface ChangesPage {
  changes: ChangedFile[]
  nextCursor: string | null
}

export interface SandboxFilter {
  status?: SandboxStatus | undefined
  template?: string | undefined
  name?: string | undefined
  /** All pairs must match. */
  metadata?: Record<string, string> | undefined
  /** 1 to 1,000. */
  limit: number
  /** From the page before. */
  cursor?: string | undefined
}

export interface SandboxPage {
  sandboxes: Sandbox[]
  /** null on the last page. */
  nextCursor: string | null
}

/** `restarted`: the context of a run was restarted under it. */
export type Reason = 'exited' | 'signaled' | 'timeout' | 'out_of_memory' | 'killed' | 'restarted'

export interface Usage {
  cpuSeconds: number
  peakMemoryBytes: number
  wallSeconds: number
}

export interface RunCommand {
  command: string
  cwd?: string | undefined
  envs?: Record<string, string> | undefined
  timeoutMs?: number | undefined
  user?: string | undefined
  /** Most bytes kept of each of stdout and stderr; head and tail when cut. */
  outputLimitBytes?: number | undefined
  /** Whether a line says where output was cut; absent: it does. */
  markCuts?: boolean | undefined
  /** It runs on when the client leaves. */
  detach?: boolean | undefined
}

/** How a run ended. */
export interface RunEnd {
  processId: string
  exitCode: number
  reason: Reason
  signal: string | null
  usage: Usage
  /** Some of what it printed or displayed was left out. */
  truncated: boolean
  startedAt: number
  finishedAt: number
}

export interface CommandResult extends RunEnd {
  stdout: Uint8Array
  stderr: Uint8Array
}

export interface RunCode {
  code: string
  /** Which context runs it; absent: the default one of the language. Not together with `language` or `user`. */
  contextId?: string | undefined
  language?: string | undefined
  cwd?: string | undefined
  envs?: Record<string, string> | undefined
  timeoutMs?: number | undefined
  user?: string | undefined
  outputLimitBytes?: number | undefined
  /** It runs on when the client leaves. */
  detach?: boolean | undefined
  /** TypeScript only: it runs only if its types are right. */
  checkTypes?: boolean | undefined
}

export interface LogLine {
  /** With its line end, as written; the last one may have none. */
  line: string
  error: boolean
  timestampMs: number
}

export interface CodeError {
  name: string
  value: string
  traceback: string[] | null
}

/** Something that a run displayed. */
export interface Display {
  /** By MIME type: text, base64 of binary forms, values of JSON ones. */
  data: Record<string, unknown>
  /** It is the value of the last expression. */
  main: boolean
  displayId: string | null
  /** MIME types that were left out, or cut, for their size. */
  truncated: string[]
}

/** A language that a sandbox has what it needs for. */
export interface AvailableLanguage {
  name: string
  aliases: string[]
  /** Its code runs in contexts. */
  stateful: boolean
  /** Of the image: what runs it. */
  program: string
  /** Of the program; null when it does not say. */
  version: string | null
  /** The Jupyter kernel of the image that keeps its state; null: none is needed, or there is none. */
  kernel: string | null
}

/** A context, as its agent tells it. */
export type { AgentContext as CodeContext } from '../agent/types.ts'

export interface CreateContext {
  language?: string | undefined
  cwd?: string | undefined
  user?: string | undefined
  envs?: Record<string, string> | undefined
}

export interface CodeEnd extends RunEnd {
  language: string
  /** null: it ran as a file of its own. */
  contextId: string | null
  /** Variables of before are gone: its context's interpreter was replaced before, or ended in this run. */
  stateLost: boolean
  error: CodeError | null
}

export interface CodeResult extends CodeEnd {
  displays: Display[]
  logs: { stdout: LogLine[]; stderr: LogLine[] }
}

/** What happens in a run, as it happens. `start` comes first, once. */
export type RunEvent =
  | { type: 'start'; processId: string; startedAt: number; language: string | null; contextId: string | null }
  /** Bytes as they were written, cut anywhere. `offset`, here and below: where the output goes on after it. */
  | { type: 'stdout' | 'stderr'; bytes: Uint8Array; timestampMs: number; offset: number }
  /** `update`: instead of what was displayed under its displayId. */
  | { type: 'result'; display: Display; update: boolean; offset: number }
  /** So many bytes of output are missing here. */
  | { type: 'dropped'; sizeBytes: number; offset: number }

/** Takes events in order. The run waits for a promise that it returns, and is slowed down by it. */
export type OnRunEvent = (event: RunEvent) => void | Promise<void>

export type FileType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'char_device' | 'block_device'

export interface FileEntry {
  name: string
  /** The name's bytes when they are not UTF-8, base64. */
  nameBase64: string | null
  path: string
  type: FileType
  sizeBytes: number
  /** Lower 12 bits. */
  mode: number
  uid: number
  gid: number
  mtime: number
  /** Where a symlink points. */
  target: string | null
  /** Names this version of it; null where nobody can. */
  etag: string | null
}

/** A file that is being read. */
export interface OpenedFile {
  sizeBytes: number
  /** Where `body` begins, and how much of the file it is. */
  offset: number
  lengthBytes: number
  /** It is the range that was asked for, not the whole. */
  partial: boolean
  etag: string | null
  mode: number | null
  mtime: number | null
  /** Read it to the end, or destroy it. */
  body: Readable
}

export type {
  ByteRange,
  FileAttributes,
  FileCondition,
  GlobFound,
  GlobOptions,
  GrepFound,
  GrepOptions,
  ListeningPort,
  WatchEvent,
} from '../agent/types.ts'

export interface StartedProcess {
  /** For the shell; not together with `argv`. Neither, with `pty`: an interactive shell. */
  command?: string | undefined
  argv?: string[] | undefined
  cwd?: string | undefined
  envs?: Record<string, string> | undefined
  user?: string | undefined
  /** It gets a standard input that can be written to. */
  stdin?: boolean | undefined
  pty?: TerminalSize | undefined
  timeoutMs?: number | undefined
  tag?: string | undefined
  /** The sandbox counts as used while it runs. */
  keepAlive?: boolean | undefined
  /** Most output that is kept, the latest. */
  bufferBytes?: number | undefined
}

/** In characters. */
export type { TerminalSize } from '../agent/types.ts'

export interface RunningProcess {
  id: string
  pid: number
  command: string
  cwd: string
  user: string
  tag: string | null
  keepAlive: boolean
  pty: TerminalSize | null
  /** Of a run of code. */
  contextId: string | null
  state: 'running' | 'exited'
  startedAt: number
  endedAt: number | null
  exitCode: number | null
  signal: string | null
  reason: Reason | null
  /** null while it runs. */
  usage: Usage | null
  outputBytes: number
  droppedBytes: number
}

/** Which output of a process. */
export type OutputStreams = 'both' | 'stdout' | 'stderr'

/** What a process printed from an offset on, as far as it is there. */
export interface OutputPart {
  stdout: Uint8Array
  stderr: Uint8Array
  nextOffset: number
  /** Of what was asked for: no longer there. */
  droppedBytes: number
  /** It has ended, and nothing follows. */
  complete: boolean
  process: RunningProcess
}

/**
 * What the agent is asked and what it answers, in our words (agent/README.md has the wire's).
 * Times are unix milliseconds; all that comes from the agent was checked for shape and range, and is still only its claim.
 */
import type { Readable } from 'node:stream'

export interface CallOptions {
  /** Ends the call with the signal's reason, and the work it stands for where the agent can. */
  signal?: AbortSignal | undefined
}

/** Absolute. A string is sent as UTF-8; bytes reach names that are not. */
export type AgentPath = string | Uint8Array

export interface AgentInfo {
  version: string
  /** Random per start of the agent: another one means that all processes of before are gone. */
  bootId: string
  startedAt: number
  pid: number
  /** Running ones. */
  processes: number
}

export interface PreparedUser {
  uid: number
  gid: number
  name: string
  home: string
  shell: string
  cwdCreated: boolean
  /** The user can work there. */
  cwdAccessible: boolean
}

/** agent/README.md, "Starting a process". What is absent there has the agent's default. */
export interface StartProcess {
  /** Ours, [A-Za-z0-9_-]{1,64}. */
  id: string
  argv: string[]
  /** The whole environment. */
  env: Record<string, string>
  cwd: string
  user: string
  stdin?: 'none' | 'pipe'
  script?: { name: string; content: string } | undefined
  /** 0 or absent: none. */
  timeoutMs?: number | undefined
  /** Ring of recent output in the agent, 4 KiB to 16 MiB. */
  bufferBytes?: number | undefined
  drainMs?: number | undefined
  keepMs?: number | undefined
  /** Ours, told in every status. At most 1,024 bytes. */
  label?: string | undefined
  keepAlive?: boolean | undefined
  /** It gets a terminal of this size: `stdin` and both outputs are that. */
  pty?: TerminalSize | undefined
  /** Also `time` events. */
  time?: boolean | undefined
}

export interface TerminalSize {
  cols: number
  rows: number
}

/** A context to be made: an interpreter with state (agent/README.md, "Contexts"). */
export interface ContextSpec {
  /** Ours, [A-Za-z0-9_-]{1,64}. */
  id: string
  language: string
  /** Jupyter kernel of the image that runs it; absent: the agent's own driver of the language. */
  kernel?: string | undefined
  cwd: string
  user: string
  /** The whole environment. */
  env: Record<string, string>
}

/** A running interpreter with state. */
export interface AgentContext {
  id: string
  language: string
  /** Of the language, as the interpreter says; empty while it starts. */
  version: string
  cwd: string
  user: string
  state: 'starting' | 'idle' | 'busy' | 'dead'
  createdAt: number
  /** Runs that were begun in it. */
  runs: number
  /** How often its interpreter was replaced. */
  restarts: number
}

/** The most that a run may ask for of one display, all its forms together. */
export const LARGEST_DISPLAY_BYTES = 16 * 1024 * 1024

/** One run of code in a context. To the agent's other routes it is a process of this id. */
export interface StartRun {
  /** Ours, [A-Za-z0-9_-]{1,64}. */
  id: string
  contextId: string
  code: string
  /** For this run only; absent: where the context is. */
  cwd?: string | undefined
  /** For this run only, on top of the context's. */
  env: Record<string, string>
  timeoutMs?: number | undefined
  /** Of one display, all its forms together, as JSON: 1 KiB to LARGEST_DISPLAY_BYTES. */
  displayBytes?: number | undefined
  /** Of TypeScript only. */
  checkTypes?: boolean | undefined
  time?: boolean | undefined
}

/** `restarted`: the context was restarted under a run. */
export type ProcessReason = 'exited' | 'signaled' | 'timeout' | 'out_of_memory' | 'killed' | 'restarted'

export interface ProcessStatus {
  id: string
  pid: number
  argv: string[]
  cwd: string
  user: string
  state: 'running' | 'exited'
  startedAt: number
  endedAt: number | null
  /** null while running. */
  exitCode: number | null
  /** `SIGKILL`…, null when no signal ended it. */
  signal: string | null
  reason: ProcessReason | null
  cpuSeconds: number
  peakMemoryBytes: number
  wallSeconds: number
  outputBytes: number
  droppedBytes: number
  /** Processes of it that outlived its main process. */
  leftovers: number
  /** As it was started. */
  label: string | null
  keepAlive: boolean
  /** null: it has no terminal. */
  pty: TerminalSize | null
  /** Of a run: its context, and whether that lost its state with it or before it. */
  contextId: string | null
  stateLost: boolean
}

/** In the order of the stream: `status` first, `ended` last, and a stream without `ended` throws. */
export type OutputEvent =
  | { type: 'status'; status: ProcessStatus }
  | { type: 'stdout' | 'stderr'; bytes: Buffer }
  /** What a run showed or failed with; null: what nobody can read. Counts for offsets with its size. */
  | { type: 'event'; event: RunEvent | null; sizeBytes: number }
  /** When what follows was read from the pipes, milliseconds with fractions. */
  | { type: 'time'; timestampMs: number }
  /** So many bytes are missing at this point: the ring overran. They count for offsets. */
  | { type: 'dropped'; sizeBytes: number }
  | { type: 'ended'; status: ProcessStatus }

/** What a language driver says in a run (agent/internal/drivers/README.md). It is the user's program that says it. */
export type RunEvent =
  | {
      type: 'display'
      /** By MIME type: text, base64 of binary ones, JSON of JSON ones. */
      data: Record<string, unknown>
      /** The value of the cell's last expression. */
      main: boolean
      displayId: string | null
      /** Replaces what was displayed under this id. */
      update: boolean
      /** MIME types that were left out, or cut, for their size. */
      truncated: string[]
    }
  | { type: 'error'; name: string; value: string; traceback: string[] | null }

/** Reading slowly slows the process down. Leaving the loop early ends the stream, not the process. */
export interface OutputStream extends AsyncIterableIterator<OutputEvent> {
  /** Ends the stream when nobody will read it. Idempotent. */
  close(): void
}

export interface AgentEntry {
  name: string
  nameBase64: string | null
  path: string
  type: 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'char_device' | 'block_device'
  sizeBytes: number
  mode: number
  uid: number
  gid: number
  mtime: number
  target: string | null
  /** Changes with the content, the owner and the mode of the file. null: not told. */
  etag: string | null
}

/** Bytes of an answer as they come. Exactly one of its ways of reading is used, once, or `close`. */
export interface AgentBody extends AsyncIterable<Buffer> {
  /** All of it. FILE_TOO_LARGE past the limit. */
  bytes(limitBytes: number): Promise<Buffer>
  /** For what wants a stream of Node's. */
  stream(): Readable
  /** Ends the call unread. Idempotent. */
  close(): void
}

export interface FileContent {
  /** Of the whole file when the read began. */
  sizeBytes: number
  /** 0 unless a range was asked for and given. */
  offset: number
  /** How many bytes the body will have. */
  lengthBytes: number
  /** It is the range that was asked for. */
  partial: boolean
  etag: string | null
  /** Lower 12 bits. */
  mode: number | null
  mtime: number | null
  body: AgentBody
}

/** As in HTTP: `end` inclusive, absent: to the end of the file. Or so many bytes at its end. */
export type ByteRange = { start: number; end?: number | undefined } | { last: number }

/** What must be true of a file for a change of it (RFC 9110, 13.1): `*` is any that exists, else an etag. */
export interface FileCondition {
  ifMatch?: string | undefined
  ifNoneMatch?: string | undefined
}

export interface WriteOptions extends CallOptions, FileCondition {
  /** 12 bits. */
  mode?: number | undefined
  /** `name`, `uid`, with `:group` or `:gid`; absent: the user's. */
  owner?: string | undefined
}

/** What to change of a file or, `recursive`, of a tree; what is absent stays. */
export interface FileAttributes {
  mode?: number | undefined
  owner?: string | undefined
  mtime?: number | undefined
  recursive?: boolean | undefined
}

export interface GlobOptions {
  pattern: string
  limit: number
  /** Names that begin with a dot match wildcards too. */
  hidden: boolean
}

export interface GlobFound {
  entries: AgentEntry[]
  truncated: boolean
  /** Folders that could not be read. */
  skipped: number
}

export interface GrepOptions {
  /** RE2, or with `literal` plain text. */
  pattern: string
  literal: boolean
  ignoreCase: boolean
  /** Globs; empty: all. */
  include: string[]
  exclude: string[]
  hidden: boolean
  limit: number
  /** Lines around each match. */
  context: number
}

export interface GrepMatch {
  path: string
  pathBase64: string | null
  /** Both from 1; columns count bytes. */
  line: number
  column: number
  text: string
  textTruncated: boolean
  before: string[]
  after: string[]
}

export interface GrepFound {
  matches: GrepMatch[]
  truncated: boolean
  filesSearched: number
  filesSkipped: number
}

export type FileEventType = 'create' | 'write' | 'remove' | 'rename' | 'attributes'

/** `ready` first: from there on nothing is missed without an `overflow`. `end` last. */
export type WatchEvent =
  | { type: 'ready'; skipped: number }
  | {
      type: FileEventType
      path: string
      pathBase64: string | null
      /** Of a rename. */
      from: string | null
      kind: AgentEntry['type'] | null
      at: number
    }
  | { type: 'overflow' }
  | { type: 'ping' }
  | { type: 'end'; reason: string }

/** Something in the sandbox listens on a TCP port. */
export interface ListeningPort {
  port: number
  address: string
  family: 'ipv4' | 'ipv6'
  uid: number
  /** null where the agent can't tell. */
  pid: number | null
  /** Name of the program, as the kernel has it. */
  process: string | null
}

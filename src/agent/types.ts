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
  /** Also `time` events. */
  time?: boolean | undefined
}

export type ProcessReason = 'exited' | 'signaled' | 'timeout' | 'out_of_memory' | 'killed'

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
}

/** In the order of the stream: `status` first, `ended` last, and a stream without `ended` throws. */
export type OutputEvent =
  | { type: 'status'; status: ProcessStatus }
  | { type: 'stdout' | 'stderr'; bytes: Buffer }
  /** When what follows was read from the pipes, milliseconds with fractions. */
  | { type: 'time'; timestampMs: number }
  /** So many bytes are missing at this point: the ring overran. They count for offsets. */
  | { type: 'dropped'; sizeBytes: number }
  | { type: 'ended'; status: ProcessStatus }

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
  body: AgentBody
}

/** Inclusive, as in HTTP; `end` absent: to the end of the file. */
export interface ByteRange {
  start: number
  end?: number | undefined
}

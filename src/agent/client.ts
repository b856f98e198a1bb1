import type { Duplex, Readable } from 'node:stream'
import { SandboxError } from '../errors.ts'
import { linkLost } from './agent-errors.ts'
import { readInfo, readPreparedUser } from './answers.ts'
import * as contexts from './contexts.ts'
import * as files from './files.ts'
import * as processes from './processes.ts'
import { requestJson, requestNothing } from './requests.ts'
import { AgentSession } from './session.ts'
import * as tunnel from './tunnel.ts'
import type {
  AgentBody,
  AgentContext,
  AgentEntry,
  AgentInfo,
  AgentPath,
  ByteRange,
  CallOptions,
  ContextSpec,
  FileAttributes,
  FileCondition,
  FileContent,
  GlobFound,
  GlobOptions,
  GrepFound,
  GrepOptions,
  ListeningPort,
  OutputStream,
  PreparedUser,
  ProcessStatus,
  StartProcess,
  StartRun,
  TerminalSize,
  WatchEvent,
  WriteOptions,
} from './types.ts'

export interface ConnectOptions extends CallOptions {
  /** From the start of the session to the agent's first answer. */
  timeoutMs?: number
  /** Pings, so that a half-open link is found: after `heartbeatMisses` without an answer the session ends. */
  heartbeatMs?: number
  heartbeatMisses?: number
}

/**
 * The agent of one sandbox over one connection. Every call takes a signal that ends it with the signal's reason; when the
 * connection is lost all calls reject with AGENT_UNAVAILABLE, at once and for good: AgentLink makes new clients.
 * Failures inside the sandbox have their own codes (agent-errors.ts). What calls do and answer: processes.ts, contexts.ts, files.ts, tunnel.ts.
 */
export class AgentClient {
  readonly #session: AgentSession
  readonly #info: AgentInfo

  private constructor(session: AgentSession, info: AgentInfo) {
    this.#session = session
    this.#info = info
  }

  /** Takes the connection (destroyed when this throws, too), and asks the agent who it is. AGENT_UNAVAILABLE. */
  static async connect(connection: Duplex, options: ConnectOptions = {}): Promise<AgentClient> {
    const { signal, timeoutMs = 5000, heartbeatMs = 10_000, heartbeatMisses = 3 } = options
    const session = new AgentSession(connection, { heartbeatMs, heartbeatMisses })
    try {
      return new AgentClient(session, await requestJson(session, 'GET', '/v1/info', { signal, timeoutMs }, readInfo))
    } catch (error) {
      session.destroy(error instanceof SandboxError ? error : linkLost('the sandbox was not reached', error))
      throw error
    }
  }

  get bootId(): string {
    return this.#info.bootId
  }

  /** What the agent said when the session began. */
  get greeting(): AgentInfo {
    return this.#info
  }

  /** Resolves with the reason when the connection has ended. */
  get closed(): Promise<SandboxError> {
    return this.#session.closed
  }

  /** Why the connection ended, null while it lives. */
  get loss(): SandboxError | null {
    return this.#session.loss
  }

  /** Ends the connection; pending calls reject with the error. Idempotent. */
  destroy(error: SandboxError = linkLost('the connection to the sandbox was closed')): void {
    this.#session.destroy(error)
  }

  info(options: CallOptions = {}): Promise<AgentInfo> {
    return requestJson(this.#session, 'GET', '/v1/info', options, readInfo)
  }

  /** Resolves the user and makes the folder, owned by them, when it is not there. USER_NOT_FOUND, CWD_NOT_A_DIRECTORY. */
  prepare({ user, cwd }: { user: string; cwd: string }, { signal }: CallOptions = {}): Promise<PreparedUser> {
    return requestJson(this.#session, 'POST', '/v1/prepare', { signal, body: { user, cwd } }, readPreparedUser)
  }

  /** Ends all processes, and refuses new ones from then on. Returns when they are gone. */
  shutdown(graceMs: number, { signal }: CallOptions = {}): Promise<void> {
    const request = { signal, body: { grace_ms: graceMs }, timeoutMs: graceMs + 10_000 }
    return requestNothing(this.#session, 'POST', '/v1/shutdown', request)
  }

  createContext(spec: ContextSpec, options: CallOptions = {}): Promise<AgentContext> {
    return contexts.createContext(this.#session, spec, options)
  }

  listContexts(options: CallOptions = {}): Promise<AgentContext[]> {
    return contexts.listContexts(this.#session, options)
  }

  getContext(id: string, options: CallOptions = {}): Promise<AgentContext> {
    return contexts.getContext(this.#session, id, options)
  }

  restartContext(id: string, options: CallOptions = {}): Promise<AgentContext> {
    return contexts.restartContext(this.#session, id, options)
  }

  interruptContext(id: string, options: CallOptions = {}): Promise<void> {
    return contexts.interruptContext(this.#session, id, options)
  }

  removeContext(id: string, options: CallOptions = {}): Promise<void> {
    return contexts.removeContext(this.#session, id, options)
  }

  startRun(request: StartRun, options: CallOptions = {}): Promise<OutputStream> {
    return contexts.startRun(this.#session, request, options)
  }

  startProcess(request: StartProcess, options: CallOptions = {}): Promise<{ processId: string; output: OutputStream }> {
    return processes.startProcess(this.#session, request, options)
  }

  startDetached(request: StartProcess, options: CallOptions = {}): Promise<ProcessStatus> {
    return processes.startDetached(this.#session, request, options)
  }

  followOutput(
    id: string,
    offset: number,
    options: CallOptions & { follow?: boolean; time?: boolean } = {},
  ): Promise<OutputStream> {
    return processes.followOutput(this.#session, id, offset, options)
  }

  listProcesses(options: CallOptions = {}): Promise<ProcessStatus[]> {
    return processes.listProcesses(this.#session, options)
  }

  getProcess(id: string, options: CallOptions = {}): Promise<ProcessStatus> {
    return processes.getProcess(this.#session, id, options)
  }

  waitForProcess(id: string, waitMs: number, options: CallOptions = {}): Promise<ProcessStatus> {
    return processes.waitForProcess(this.#session, id, waitMs, options)
  }

  resizeTerminal(id: string, size: TerminalSize, options: CallOptions = {}): Promise<void> {
    return processes.resizeTerminal(this.#session, id, size, options)
  }

  signalProcess(id: string, name: string, options: CallOptions & { scope?: 'group' | 'process' } = {}): Promise<void> {
    return processes.signalProcess(this.#session, id, name, options)
  }

  killProcess(
    id: string,
    reason: 'killed' | 'timeout' = 'killed',
    options: CallOptions = {},
  ): Promise<{ killed: number; complete: boolean }> {
    return processes.killProcess(this.#session, id, reason, options)
  }

  writeStdin(id: string, bytes: Uint8Array | Readable, options: CallOptions & { close?: boolean } = {}): Promise<void> {
    return processes.writeStdin(this.#session, id, bytes, options)
  }

  closeStdin(id: string, options: CallOptions = {}): Promise<void> {
    return processes.writeStdin(this.#session, id, new Uint8Array(0), { ...options, close: true })
  }

  forgetProcess(id: string, options: CallOptions = {}): Promise<void> {
    return processes.forgetProcess(this.#session, id, options)
  }

  stat(path: AgentPath, user: string, options: CallOptions & { follow?: boolean } = {}): Promise<AgentEntry> {
    return files.stat(this.#session, path, user, options)
  }

  list(
    path: AgentPath,
    user: string,
    options: CallOptions & { limit?: number } = {},
  ): Promise<{ entries: AgentEntry[]; truncated: boolean }> {
    return files.list(this.#session, path, user, options)
  }

  readFile(
    path: AgentPath,
    user: string,
    options: CallOptions & { range?: ByteRange | undefined } = {},
  ): Promise<FileContent> {
    return files.readFile(this.#session, path, user, options)
  }

  writeFile(
    path: AgentPath,
    user: string,
    body: Uint8Array | Readable,
    options: WriteOptions = {},
  ): Promise<AgentEntry> {
    return files.writeFile(this.#session, path, user, body, options)
  }

  mkdir(
    path: string,
    user: string,
    options: CallOptions & { mode?: number | undefined; parents?: boolean } = {},
  ): Promise<AgentEntry> {
    return files.mkdir(this.#session, path, user, options)
  }

  move(
    from: string,
    to: string,
    user: string,
    options: CallOptions & { overwrite?: boolean } = {},
  ): Promise<AgentEntry> {
    return files.move(this.#session, from, to, user, options)
  }

  remove(
    path: AgentPath,
    user: string,
    options: CallOptions & FileCondition & { recursive?: boolean } = {},
  ): Promise<void> {
    return files.remove(this.#session, path, user, options)
  }

  copy(
    from: string,
    to: string,
    user: string,
    options: CallOptions & { overwrite?: boolean } = {},
  ): Promise<AgentEntry> {
    return files.copy(this.#session, from, to, user, options)
  }

  setAttributes(
    path: string,
    user: string,
    attributes: FileAttributes,
    options: CallOptions = {},
  ): Promise<AgentEntry> {
    return files.setAttributes(this.#session, path, user, attributes, options)
  }

  digest(path: AgentPath, user: string, algorithm: 'sha256' | 'sha512', options: CallOptions = {}) {
    return files.digest(this.#session, path, user, algorithm, options)
  }

  glob(path: AgentPath, user: string, wanted: GlobOptions, options: CallOptions = {}): Promise<GlobFound> {
    return files.glob(this.#session, path, user, wanted, options)
  }

  grep(path: string, user: string, wanted: GrepOptions, options: CallOptions = {}): Promise<GrepFound> {
    return files.grep(this.#session, path, user, wanted, options)
  }

  watch(
    path: AgentPath,
    user: string,
    options: CallOptions & { recursive: boolean },
  ): AsyncGenerator<WatchEvent, void, undefined> {
    return files.watch(this.#session, path, user, options)
  }

  readTree(path: AgentPath, user: string, options: CallOptions = {}): Promise<AgentBody> {
    return files.readTree(this.#session, path, user, options)
  }

  writeTree(
    path: AgentPath,
    user: string,
    tar: Uint8Array | Readable,
    options: CallOptions & { maxBytes?: number | undefined } = {},
  ): Promise<{ entries: number; sizeBytes: number }> {
    return files.writeTree(this.#session, path, user, tar, options)
  }

  openTunnel(port: number, options: CallOptions = {}): Promise<Duplex> {
    return tunnel.openTunnel(this.#session, port, options)
  }

  acceptEgress(port: number, options: CallOptions = {}): Promise<Duplex> {
    return tunnel.acceptEgress(this.#session, port, options)
  }

  listPorts(options: CallOptions = {}): Promise<ListeningPort[]> {
    return tunnel.listPorts(this.#session, options)
  }

  waitForPort(
    port: number,
    waitMs: number,
    options: CallOptions = {},
  ): Promise<{ ports: ListeningPort[]; open: boolean }> {
    return tunnel.waitForPort(this.#session, port, waitMs, options)
  }
}

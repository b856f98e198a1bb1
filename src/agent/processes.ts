import type { Readable } from 'node:stream'
import { readKilled, readStatus, readStatuses } from './answers.ts'
import { OutputReader } from './output-reader.ts'
import { requestJson, requestNothing } from './requests.ts'
import type { AgentSession } from './session.ts'
import type { CallOptions, OutputStream, ProcessStatus, StartProcess, TerminalSize } from './types.ts'

/** 300 finished and running processes with long command lines. */
const LIST_LIMIT_BYTES = 16 * 1024 * 1024

/** Longer than it was asked to wait the agent may take. */
const ANSWER_MARGIN_MS = 15_000

const processPath = (id: string) => `/v1/processes/${encodeURIComponent(id)}`

/** Resolves when the agent has started it, with its output from the first byte. The signal ends the stream, not the process. */
export async function startProcess(
  session: AgentSession,
  request: StartProcess,
  { signal }: CallOptions,
): Promise<{ processId: string; output: OutputStream }> {
  const body = Buffer.from(JSON.stringify(toWire(request, true)))
  const { call } = await session.open('POST', '/v1/processes', { signal, body })
  return { processId: request.id, output: new OutputReader(session, call, { needsEnd: true }) }
}

/** Starts it without anybody following its output. */
export function startDetached(
  session: AgentSession,
  request: StartProcess,
  { signal }: CallOptions,
): Promise<ProcessStatus> {
  return requestJson(session, 'POST', '/v1/processes', { signal, body: toWire(request, false) }, readStatus)
}

/** The output from payload offset `offset` on (agent/README.md). `follow: false` ends at what is there. */
export async function followOutput(
  session: AgentSession,
  id: string,
  offset: number,
  { signal, follow = true, time = false }: CallOptions & { follow?: boolean; time?: boolean },
): Promise<OutputStream> {
  const query = `offset=${offset}&follow=${follow ? 1 : 0}&time=${time ? 1 : 0}`
  const { call } = await session.open('GET', `${processPath(id)}/output?${query}`, { signal })
  return new OutputReader(session, call, { needsEnd: follow })
}

export function listProcesses(session: AgentSession, { signal }: CallOptions): Promise<ProcessStatus[]> {
  return requestJson(session, 'GET', '/v1/processes', { signal, limitBytes: LIST_LIMIT_BYTES }, readStatuses)
}

export function getProcess(session: AgentSession, id: string, { signal }: CallOptions): Promise<ProcessStatus> {
  return requestJson(session, 'GET', processPath(id), { signal }, readStatus)
}

/** Its status once it has ended, or after the time as it stands. */
export function waitForProcess(
  session: AgentSession,
  id: string,
  waitMs: number,
  { signal }: CallOptions,
): Promise<ProcessStatus> {
  const path = `${processPath(id)}/wait?timeout_ms=${waitMs}`
  return requestJson(session, 'GET', path, { signal, timeoutMs: waitMs + ANSWER_MARGIN_MS }, readStatus)
}

export function resizeTerminal(
  session: AgentSession,
  id: string,
  { cols, rows }: TerminalSize,
  { signal }: CallOptions,
): Promise<void> {
  return requestNothing(session, 'POST', `${processPath(id)}/resize`, { signal, body: { cols, rows } })
}

export function signalProcess(
  session: AgentSession,
  id: string,
  name: string,
  { signal, scope = 'group' }: CallOptions & { scope?: 'group' | 'process' },
): Promise<void> {
  return requestNothing(session, 'POST', `${processPath(id)}/signal`, { signal, body: { signal: name, scope } })
}

export function killProcess(
  session: AgentSession,
  id: string,
  reason: 'killed' | 'timeout',
  { signal }: CallOptions,
): Promise<{ killed: number; complete: boolean }> {
  return requestJson(session, 'POST', `${processPath(id)}/kill`, { signal, body: { reason } }, readKilled)
}

/** Waits for as long as the program takes to read it: the caller's signal is the only deadline. */
export async function writeStdin(
  session: AgentSession,
  id: string,
  bytes: Uint8Array | Readable,
  { signal, close = false }: CallOptions & { close?: boolean },
): Promise<void> {
  const { call } = await session.open('POST', `${processPath(id)}/stdin?close=${close ? 1 : 0}`, {
    signal,
    body: bytes,
    timeoutMs: null,
  })
  call.close()
}

/** Kills it and forgets its status and output. */
export function forgetProcess(session: AgentSession, id: string, { signal }: CallOptions): Promise<void> {
  return requestNothing(session, 'DELETE', processPath(id), { signal })
}

function toWire(request: StartProcess, follow: boolean): object {
  return {
    id: request.id,
    argv: request.argv,
    env: request.env,
    cwd: request.cwd,
    user: request.user,
    stdin: request.stdin ?? 'none',
    script: request.script,
    timeout_ms: request.timeoutMs,
    buffer_bytes: request.bufferBytes,
    drain_ms: request.drainMs,
    keep_ms: request.keepMs,
    label: request.label,
    keep_alive: request.keepAlive,
    pty: request.pty,
    follow,
    time: request.time ?? false,
  }
}

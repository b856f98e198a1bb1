import { readContext, readContexts } from './answers.ts'
import { OutputReader } from './output-reader.ts'
import { requestJson, requestNothing } from './requests.ts'
import type { AgentSession } from './session.ts'
import type { AgentContext, CallOptions, ContextSpec, OutputStream, StartRun } from './types.ts'

/** The agent gives an interpreter 30 s to start. */
const START_LIMIT_MS = 40_000

const contextPath = (id: string) => `/v1/contexts/${encodeURIComponent(id)}`

/** Resolves when its interpreter can run code. CONTEXT_EXISTS, LANGUAGE_UNAVAILABLE, CWD_*, CONTEXT_LIMIT_REACHED. */
export function createContext(
  session: AgentSession,
  spec: ContextSpec,
  { signal }: CallOptions,
): Promise<AgentContext> {
  return requestJson(session, 'POST', '/v1/contexts', { signal, body: spec, timeoutMs: START_LIMIT_MS }, readContext)
}

export function listContexts(session: AgentSession, { signal }: CallOptions): Promise<AgentContext[]> {
  return requestJson(session, 'GET', '/v1/contexts', { signal }, readContexts)
}

export function getContext(session: AgentSession, id: string, { signal }: CallOptions): Promise<AgentContext> {
  return requestJson(session, 'GET', contextPath(id), { signal }, readContext)
}

/** A new interpreter, in the same place. */
export function restartContext(session: AgentSession, id: string, { signal }: CallOptions): Promise<AgentContext> {
  const request = { signal, body: {}, timeoutMs: START_LIMIT_MS }
  return requestJson(session, 'POST', `${contextPath(id)}/restart`, request, readContext)
}

export function interruptContext(session: AgentSession, id: string, { signal }: CallOptions): Promise<void> {
  return requestNothing(session, 'POST', `${contextPath(id)}/interrupt`, { signal, body: {} })
}

/** Ends its interpreter, and what that started. */
export function removeContext(session: AgentSession, id: string, { signal }: CallOptions): Promise<void> {
  return requestNothing(session, 'DELETE', contextPath(id), { signal })
}

/** Resolves when the agent has taken it, with its output from the first byte; it may wait its turn. The signal ends the stream, not the run. */
export async function startRun(
  session: AgentSession,
  request: StartRun,
  { signal }: CallOptions,
): Promise<OutputStream> {
  const body = Buffer.from(JSON.stringify(toWire(request)))
  // A run that waits its turn has no output, and no deadline but the caller's.
  const { call } = await session.open('POST', `${contextPath(request.contextId)}/run`, {
    signal,
    body,
    timeoutMs: null,
  })
  return new OutputReader(session, call, { needsEnd: true })
}

function toWire({ id, code, cwd, env, timeoutMs, displayBytes, checkTypes, time }: StartRun): object {
  return {
    id,
    code,
    cwd,
    env,
    timeout_ms: timeoutMs,
    display_bytes: displayBytes,
    check_types: checkTypes,
    follow: true,
    time: time ?? false,
  }
}

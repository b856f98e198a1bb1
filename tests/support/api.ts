import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import type { CodeExecution, ExecutionResponse } from '../../schemas/code.ts'
import type { CommandExecution, CommandResponse } from '../../schemas/command.ts'
import type { FileSystemAction, FileSystemResponse } from '../../schemas/filesystem.ts'
import type { ExecutionEvent } from '../../schemas/live.ts'
import type { Problem } from '../../schemas/problem.ts'
import type {
  ProcessCreate,
  ProcessInfo,
  ProcessInputRequest,
  ProcessList,
  ProcessOutput,
} from '../../schemas/process.ts'
import type {
  SandboxAction,
  SandboxCreate,
  SandboxCreated,
  SandboxList,
  SandboxResponse,
  SandboxUpdate,
} from '../../schemas/sandbox.ts'
import type { LiveType } from '../../src/http/live-answer.ts'
import { readEvents } from './read-events.ts'

export interface CallOptions {
  signal?: AbortSignal | undefined
}

export interface Answer {
  status: number
  headers: Headers
  text: string
}

/** What must never be in an answer: where we live, what we are made of, how the engine calls things. */
const INTERNALS =
  /\/work\/|node_modules|\.ts\b|\bat .+:\d+:\d+|docker(?!file)|containerd|\brunc\b|overlay2|\/var\/lib|k2\.db|sqlite/i

/** The API as a user calls it. Calls that should work fail the test with the server's own words when they do not. */
export class Api {
  readonly #url: () => string

  /** The address is asked for at each call: it changes when the server is started again. */
  constructor(url: () => string) {
    this.#url = url
  }

  get url(): string {
    return this.#url()
  }

  async send(method: string, path: string, body?: unknown, { signal }: CallOptions = {}): Promise<Answer> {
    const response = await fetch(`${this.#url()}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      ...(signal ? { signal } : {}),
    })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }

  /** The body of an answer that must be 200. */
  async json<T>(method: string, path: string, body?: unknown, options?: CallOptions): Promise<T> {
    const { status, text } = await this.send(method, path, body, options)
    if (status !== 200) throw new Error(`${method} ${path} answered ${status}: ${text.slice(0, 2000)}`)
    return JSON.parse(text) as T
  }

  /** The problem of an answer that must be an error, checked for its form and for words that must stay inside. */
  async refused(method: string, path: string, body?: unknown, options?: CallOptions): Promise<Problem> {
    return asProblem(await this.send(method, path, body, options))
  }

  create(body: SandboxCreate = {}, options?: CallOptions): Promise<SandboxCreated> {
    return this.json('POST', '/sandboxes', body, options)
  }

  get(id: string): Promise<SandboxResponse> {
    return this.json('GET', `/sandboxes/${id}`)
  }

  list(query = ''): Promise<SandboxList> {
    return this.json('GET', `/sandboxes${query}`)
  }

  action(id: string, action: SandboxAction['action'], more: Partial<SandboxAction> = {}): Promise<SandboxResponse> {
    return this.json('POST', `/sandboxes/${id}/actions`, { action, ...more })
  }

  update(id: string, change: SandboxUpdate): Promise<SandboxResponse> {
    return this.json('PATCH', `/sandboxes/${id}`, change)
  }

  delete(id: string): Promise<{ sandbox_id: string; status: string }> {
    return this.json('DELETE', `/sandboxes/${id}`)
  }

  command(id: string, command: string | CommandExecution, options?: CallOptions): Promise<CommandResponse> {
    return this.json('POST', `/sandboxes/${id}/command`, typeof command === 'string' ? { command } : command, options)
  }

  /** Standard output of a command that must succeed, without the line end. */
  async output(id: string, command: string, more: Partial<CommandExecution> = {}): Promise<string> {
    const { stdout, stderr, exit_code } = await this.command(id, { command, ...more })
    if (exit_code !== 0) throw new Error(`\`${command.slice(0, 200)}\` exited with ${exit_code}: ${stderr}${stdout}`)
    return stdout.trimEnd()
  }

  code(id: string, code: string, more: Partial<CodeExecution> = {}): Promise<ExecutionResponse> {
    return this.json('POST', `/sandboxes/${id}/code`, { code, ...more })
  }

  /** The events of a command or of code, as they come. Whoever stops reading has left. */
  async *follow(
    id: string,
    request: CommandExecution | CodeExecution,
    { signal, accept = 'application/x-ndjson' }: CallOptions & { accept?: LiveType } = {},
  ): AsyncGenerator<ExecutionEvent, void, undefined> {
    const leave = new AbortController()
    const response = await fetch(`${this.#url()}/sandboxes/${id}/${'code' in request ? 'code' : 'command'}`, {
      method: 'POST',
      body: JSON.stringify(request),
      headers: { 'content-type': 'application/json', accept },
      signal: signal ? AbortSignal.any([signal, leave.signal]) : leave.signal,
    })
    if (response.status !== 200) throw new Error(`answered ${response.status}: ${await response.text()}`)
    expect(response.headers.get('content-type')).toMatch(accept)
    try {
      yield* readEvents(response, accept)
    } finally {
      leave.abort()
    }
  }

  files(id: string, request: FileSystemAction): Promise<FileSystemResponse> {
    return this.json('POST', `/sandboxes/${id}/filesystem`, request)
  }

  async read(id: string, path: string): Promise<string | null> {
    return (await this.files(id, { action: 'read', path })).content
  }

  write(id: string, path: string, content: string): Promise<FileSystemResponse> {
    return this.files(id, { action: 'write', path, content })
  }

  async names(id: string, path?: string): Promise<string[]> {
    const { files } = await this.files(id, { action: 'list', ...(path === undefined ? {} : { path }) })
    return (files ?? []).map((file) => file.name)
  }

  startProcess(id: string, request: ProcessCreate): Promise<ProcessInfo> {
    return this.json('POST', `/sandboxes/${id}/processes`, request)
  }

  /** How a process ended, when it has within half a minute. */
  async ended(id: string, processId: string): Promise<ProcessInfo> {
    const process: ProcessInfo = await this.json('GET', `/sandboxes/${id}/processes/${processId}/wait?timeout=30`)
    expect(process.state).toBe('exited')
    return process
  }

  type(id: string, processId: string, data: string, more: Partial<ProcessInputRequest> = {}): Promise<ProcessInfo> {
    return this.json('POST', `/sandboxes/${id}/processes/${processId}/stdin`, { data, ...more })
  }

  processOutput(id: string, processId: string, query = ''): Promise<ProcessOutput> {
    return this.json('GET', `/sandboxes/${id}/processes/${processId}/output${query}`)
  }

  /** The events of a process's output, as they come. Whoever stops reading has left. */
  async *followProcess(
    id: string,
    processId: string,
    query = '',
    { accept = 'application/x-ndjson', headers = {} }: { accept?: LiveType; headers?: Record<string, string> } = {},
  ): AsyncGenerator<ExecutionEvent, void, undefined> {
    const leave = new AbortController()
    const response = await fetch(`${this.#url()}/sandboxes/${id}/processes/${processId}/output${query}`, {
      headers: { accept, ...headers },
      signal: leave.signal,
    })
    if (response.status !== 200) throw new Error(`answered ${response.status}: ${await response.text()}`)
    try {
      yield* readEvents(response, accept)
    } finally {
      leave.abort()
    }
  }

  processes(id: string): Promise<ProcessList> {
    return this.json('GET', `/sandboxes/${id}/processes`)
  }
}

/** RFC 9457 with our members, of the answer's status, under the answer's request id, and nothing that is ours alone. */
export function asProblem({ status, headers, text }: Answer): Problem {
  if (status < 400) throw new Error(`expected an error, got ${status}: ${text.slice(0, 500)}`)
  expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
  const problem = JSON.parse(text) as Problem
  expect(problem).toMatchObject({
    status,
    code: expect.any(String),
    detail: expect.any(String),
    title: expect.any(String),
  })
  expect(problem.request_id).toBe(headers.get('x-request-id'))
  expect(problem.detail).not.toMatch(INTERNALS)
  expect(problem.detail.length).toBeLessThan(2000)
  return problem
}

/** A word that no other test uses. */
export function unique(prefix: string): string {
  return `${prefix}-${randomBytes(5).toString('hex')}`
}

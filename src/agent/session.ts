import type { ClientHttp2Session, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { connect, constants } from 'node:http2'
import type { Duplex, Readable } from 'node:stream'
import type { SandboxError } from '../errors.ts'
import { errorFromAnswer, linkLost, protocolViolation } from './agent-errors.ts'
import { AgentCall } from './call.ts'

export interface SessionOptions {
  heartbeatMs: number
  /** So many heartbeats in a row without an answer end the session. */
  heartbeatMisses: number
}

export interface RequestOptions {
  signal?: AbortSignal | undefined
  /** See CallSettings; 30 s when absent. */
  timeoutMs?: number | null | undefined
  whole?: boolean | undefined
  body?: Uint8Array | Readable | undefined
  headers?: OutgoingHttpHeaders | undefined
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/**
 * What one slow reader may hold in memory. Over a unix socket 2 MiB carry as much as 8 (2.1 GB/s down; 1 MiB: 1.7), so there
 * is no reason to ask for the agent's 8.
 */
const STREAM_WINDOW_BYTES = 2 * 1024 * 1024
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024
const FRAME_BYTES = 1024 * 1024
/** An error answer, `{code, message}`. */
const ERROR_BODY_BYTES = 64 * 1024
const CALL_TIMEOUT_MS = 30_000

/**
 * One HTTP/2 session over one connection, with a peer that is not trusted: sizes are bounded, and the first sign of loss
 * ends every call on it at once. Lost once, lost for good: a new connection is a new session.
 */
export class AgentSession {
  readonly #http2: ClientHttp2Session
  readonly #connection: Duplex
  readonly #calls = new Set<AgentCall>()
  readonly #closed = Promise.withResolvers<SandboxError>()
  readonly #heartbeat: NodeJS.Timeout
  #loss: SandboxError | null = null
  #misses = 0

  /** Takes the connection: it is destroyed with the session. */
  constructor(connection: Duplex, options: SessionOptions) {
    this.#connection = connection
    // Before HTTP/2's own listeners, which end the streams of a closed connection as if they were complete.
    connection.on('error', (error) => this.destroy(linkLost('the connection to the sandbox was lost', error)))
    connection.on('end', () => this.destroy(linkLost('the sandbox closed its connection')))
    connection.on('close', () => this.destroy(linkLost('the connection to the sandbox was lost')))
    this.#http2 = connect('http://agent', {
      createConnection: () => connection,
      settings: {
        enablePush: false,
        initialWindowSize: STREAM_WINDOW_BYTES,
        maxFrameSize: FRAME_BYTES,
        maxHeaderListSize: 16 * 1024,
      },
      maxHeaderListPairs: 64,
      maxSessionMemory: 64,
      maxReservedRemoteStreams: 0,
    })
    this.#http2.on('error', (error) => this.destroy(linkLost('the connection to the sandbox was lost', error)))
    this.#http2.on('close', () => this.destroy(linkLost('the connection to the sandbox was lost')))
    this.#http2.on('goaway', () => this.destroy(linkLost('the sandbox is ending its connection')))
    this.#http2.on('stream', (stream) => {
      stream.on('error', () => {})
      this.destroy(protocolViolation('it opened a stream of its own'))
    })
    this.#http2.once('connect', () => {
      if (!this.#http2.destroyed) this.#http2.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    })
    this.#heartbeat = setInterval(() => this.#beat(options.heartbeatMisses), options.heartbeatMs).unref()
  }

  /** Resolves, with the reason, when the session has ended. */
  get closed(): Promise<SandboxError> {
    return this.#closed.promise
  }

  /** Why it ended, null while it lives. */
  get loss(): SandboxError | null {
    return this.#loss
  }

  /** Ends the session, its connection and every call on it, with this error. Idempotent: the first reason stays. */
  destroy(error: SandboxError): void {
    if (this.#loss !== null) return
    this.#loss = error
    clearInterval(this.#heartbeat)
    for (const call of this.#calls) call.fail(error)
    this.#http2.destroy()
    this.#connection.destroy()
    this.#closed.resolve(error)
  }

  /** Sends a request. `path` with its query, encoded. */
  request(method: Method, path: string, options: RequestOptions): AgentCall {
    options.signal?.throwIfAborted()
    this.#seeLoss()
    if (this.#loss !== null) throw this.#loss
    const { body } = options
    const stream = this.#http2.request(
      { [constants.HTTP2_HEADER_METHOD]: method, [constants.HTTP2_HEADER_PATH]: path, ...options.headers },
      { endStream: body === undefined },
    )
    const call = new AgentCall(stream, {
      signal: options.signal,
      timeoutMs: options.timeoutMs === undefined ? CALL_TIMEOUT_MS : options.timeoutMs,
      whole: options.whole ?? false,
      onEnd: (ended) => this.#calls.delete(ended),
    })
    this.#calls.add(call)
    if (body === undefined || body instanceof Uint8Array) call.send(body)
    else call.sendFrom(body)
    return call
  }

  /** The call once the agent said yes; an error answer is read and thrown as what it means. */
  async open(
    method: Method,
    path: string,
    options: RequestOptions,
  ): Promise<{ call: AgentCall; status: number; headers: IncomingHttpHeaders }> {
    const call = this.request(method, path, options)
    const { status, headers } = await call.head()
    if (status >= 200 && status < 300) return { call, status, headers }
    throw errorFromAnswer(status, (await call.collect(ERROR_BODY_BYTES)) ?? Buffer.alloc(0))
  }

  /** A whole answer as JSON, undefined for an empty one. Its shape is the caller's to check. */
  async json(method: Method, path: string, options: RequestOptions, limitBytes: number): Promise<unknown> {
    const { call } = await this.open(method, path, { ...options, whole: true })
    const body = await call.collect(limitBytes)
    if (body === null) throw this.violated(`an answer is larger than ${limitBytes} bytes`)
    if (body.length === 0) return undefined
    try {
      return JSON.parse(body.toString('utf8'))
    } catch (error) {
      throw this.violated('an answer is not JSON', error)
    }
  }

  /** Ends the session because of what the agent said, and returns the error to throw. */
  violated(fact: string, cause?: unknown): SandboxError {
    const error = protocolViolation(fact, cause)
    this.destroy(error)
    return error
  }

  /** Node's session ends a turn before it says so, and throws when it is used meanwhile. */
  #seeLoss(): void {
    if (this.#http2.destroyed || this.#http2.closed) this.destroy(linkLost('the connection to the sandbox was lost'))
  }

  #beat(allowedMisses: number): void {
    this.#seeLoss()
    if (this.#loss !== null) return
    if (this.#misses >= allowedMisses) {
      this.destroy(linkLost('the sandbox does not answer any more'))
      return
    }
    this.#misses++
    this.#http2.ping((error) => {
      if (error === null) this.#misses = 0
    })
  }
}

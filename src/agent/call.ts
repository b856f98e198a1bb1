import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'
import { constants } from 'node:http2'
import { addAbortSignal, Readable } from 'node:stream'
import { SandboxError } from '../errors.ts'
import { agentUnavailable, linkLost } from './agent-errors.ts'
import type { AgentBody } from './types.ts'

/** Read ahead of the consumer before the stream is paused; the HTTP/2 window bounds the rest. */
const READ_AHEAD_BYTES = 256 * 1024
/** What is given to the session at once of a large body: it refuses new requests while more than its memory waits in it. */
const SLICE_BYTES = 256 * 1024
/** How long the end of an answer that has been read may take. */
const END_MS = 1000

/** Node's own class of error, which nothing exports: a stream that is destroyed with it is reset with CANCEL. One does for all. */
const CANCELLED = abortErrorOfNode()

export interface CallSettings {
  signal?: AbortSignal | undefined
  /** Longest wait for the agent: for it to take more of the request's body, and for the answer's head after it. null: none. */
  timeoutMs: number | null
  /** The time limit covers the answer's body too: for answers that are read as a whole. */
  whole: boolean
  /** Called once, when the call has ended in whatever way. */
  onEnd: (call: AgentCall) => void
}

/**
 * One HTTP/2 request and its answer. Settles exactly once: complete, failed, or cancelled; what arrived before a loss can
 * still be read, then the loss is thrown. A body that was cut never looks complete.
 */
export class AgentCall implements AgentBody {
  readonly #stream: ClientHttp2Stream
  readonly #onEnd: (call: AgentCall) => void
  readonly #signal: AbortSignal | undefined
  readonly #timeoutMs: number | null
  readonly #whole: boolean
  #timer: NodeJS.Timeout | undefined
  #status = 0
  #headers: IncomingHttpHeaders = {}
  #queue: Buffer[] = []
  #queuedBytes = 0
  #done = false
  #failed = false
  #failure: unknown
  #wake: (() => void) | null = null
  #detachSource: (() => void) | null = null

  constructor(stream: ClientHttp2Stream, settings: CallSettings) {
    this.#stream = stream
    this.#onEnd = settings.onEnd
    this.#signal = settings.signal
    this.#timeoutMs = settings.timeoutMs
    this.#whole = settings.whole
    settings.signal?.addEventListener('abort', this.#onAbort)
    stream.on('response', (headers) => {
      if (!this.#whole) this.#disarm()
      this.#status = Number(headers[':status'])
      this.#headers = headers
      this.#notify()
    })
    stream.on('data', (chunk: Buffer) => {
      if (this.#done) return
      this.#queue.push(chunk)
      this.#queuedBytes += chunk.length
      if (this.#queuedBytes >= READ_AHEAD_BYTES) stream.pause()
      this.#notify()
    })
    // A connection that dies ends its streams as if they were complete, but for the code (CANCEL).
    stream.on('end', () => {
      if (stream.rstCode === constants.NGHTTP2_NO_ERROR && this.#status !== 0) this.#settle()
      else this.#lose()
    })
    stream.on('error', (error) => this.#lose(error))
    stream.on('close', () => this.#lose())
  }

  /** The end of the request, after this body when there is one. */
  send(body?: Uint8Array): void {
    if (body !== undefined && body.length > SLICE_BYTES) {
      this.sendFrom(Readable.from(slicesOf(body)))
      return
    }
    this.#arm()
    if (!this.#stream.writableEnded) this.#stream.end(body)
  }

  /** The request's body is what `source` gives. It stays the caller's: never destroyed here, left paused when the call ends first. */
  sendFrom(source: Readable): void {
    const stream = this.#stream
    const cut = () =>
      this.cancel(source.errored ?? new SandboxError('CLIENT_GONE', 'the upload ended before it was complete'))
    if (source.readableEnded) {
      this.send()
      return
    }
    if (source.destroyed) {
      cut()
      return
    }
    const onData = (chunk: Uint8Array) => {
      if (stream.write(chunk)) return
      source.pause()
      this.#arm()
    }
    const onDrain = () => {
      this.#disarm()
      source.resume()
    }
    const onFinish = () => {
      detach()
      this.send()
    }
    const detach = () => {
      this.#detachSource = null
      source.pause()
      source.off('data', onData).off('end', onFinish).off('error', cut).off('close', cut)
      stream.off('drain', onDrain)
    }
    this.#detachSource = detach
    stream.on('drain', onDrain)
    source.on('end', onFinish).on('error', cut).on('close', cut).on('data', onData)
    // A listener for data starts no source that somebody has looked into before.
    source.resume()
  }

  /** Status and headers of the answer. */
  async head(): Promise<{ status: number; headers: IncomingHttpHeaders }> {
    while (this.#status === 0) {
      if (this.#failed) throw this.#failure
      await this.#change()
    }
    return { status: this.#status, headers: this.#headers }
  }

  /** The next bytes, null at the end of a complete body. One caller at a time. */
  async next(): Promise<Buffer | null> {
    for (;;) {
      const chunk = this.#queue.shift()
      if (chunk !== undefined) {
        this.#queuedBytes -= chunk.length
        return chunk
      }
      if (this.#failed) throw this.#failure
      if (this.#done) return null
      if (this.#stream.isPaused()) this.#stream.resume()
      await this.#change()
    }
  }

  async bytes(limitBytes: number): Promise<Buffer> {
    const body = await this.collect(limitBytes)
    if (body !== null) return body
    throw new SandboxError('FILE_TOO_LARGE', `larger than the limit of ${limitBytes} bytes; read it in parts`)
  }

  /** The whole body; null, and the call ended, when it is larger than the limit. */
  async collect(limitBytes: number): Promise<Buffer | null> {
    const chunks: Buffer[] = []
    let sizeBytes = 0
    for (let chunk = await this.next(); chunk !== null; chunk = await this.next()) {
      sizeBytes += chunk.length
      if (sizeBytes > limitBytes) {
        this.close()
        return null
      }
      chunks.push(chunk)
    }
    const [first] = chunks
    return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, sizeBytes)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    try {
      for (let chunk = await this.next(); chunk !== null; chunk = await this.next()) yield chunk
    } finally {
      this.close()
    }
  }

  stream(): Readable {
    const readable: Readable = new Readable({
      read: () => {
        this.next().then(
          (chunk) => readable.push(chunk),
          (error: unknown) => readable.destroy(asError(error)),
        )
      },
      destroy: (error, callback) => {
        this.close()
        callback(error)
      },
    })
    return readable
  }

  close(): void {
    if (!this.#done) this.cancel(new SandboxError('CLIENT_GONE', 'the read was ended before it was complete'))
  }

  /** For an answer whose last byte that counts has been read: its end is taken as it comes. A reset would cost both sides more. */
  finish(): void {
    if (this.#done) return
    this.#timer ??= setTimeout(() => this.close(), END_MS).unref()
    this.#queue = []
    this.#queuedBytes = 0
    this.#stream.resume()
  }

  /** Resets the HTTP/2 stream; who waits on the call gets `reason`. */
  cancel(reason: unknown): void {
    if (this.#done) return
    this.#queue = []
    this.#queuedBytes = 0
    this.fail(reason)
  }

  /** Ends the call with a failure; bytes that arrived before can still be read. No-op once it has ended. */
  fail(failure: unknown): void {
    if (this.#done) return
    this.#failed = true
    this.#failure = failure
    this.#settle()
    // Not by `close(CANCEL)`: that ends the request's body first, and to the agent what was cut would look whole.
    this.#stream.destroy(CANCELLED)
  }

  /** For what the stream itself reports. An error costs its stack trace, so it is made only when it is told. */
  #lose(cause?: unknown): void {
    if (!this.#done) this.fail(linkLost('the connection to the sandbox was lost', cause))
  }

  #settle(): void {
    if (this.#done) return
    this.#done = true
    this.#disarm()
    this.#detachSource?.()
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#onEnd(this)
    this.#notify()
  }

  #onAbort = (): void => this.cancel(this.#signal?.reason)

  #arm(): void {
    const timeoutMs = this.#timeoutMs
    if (timeoutMs === null || this.#done || this.#status !== 0) return
    this.#timer ??= setTimeout(
      () => this.cancel(agentUnavailable(`the sandbox's agent did not answer within ${timeoutMs} ms`)),
      timeoutMs,
    )
  }

  #disarm(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}

function* slicesOf(body: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < body.length; at += SLICE_BYTES) yield body.subarray(at, at + SLICE_BYTES)
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

function abortErrorOfNode(): Error {
  const probe = new Readable({ read() {} }).on('error', () => {})
  return addAbortSignal(AbortSignal.abort(), probe).errored ?? new Error('cancelled')
}

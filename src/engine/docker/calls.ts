import { type ErrorCode, SandboxError } from '../../errors.ts'

/** What a call is about: the same status means other things for other subjects. */
export type Operation =
  | 'ping'
  | 'image.inspect'
  | 'image.pull'
  | 'image.import'
  | 'image.list'
  | 'image.remove'
  | 'container.create'
  | 'container.start'
  | 'container.change'
  | 'container.read'
  | 'container.archive'
  | 'container.commit'
  | 'exec'
  | 'volume'
  | 'network'
  | 'events'

export interface EngineCallOptions {
  /** The caller's: the call rejects with its reason. */
  signal?: AbortSignal | undefined
  timeoutMs: number
  /** What the message names: a sandbox's id, an image's reference, a path. */
  name?: string | undefined
}

/**
 * One call to the engine: ended by the caller's signal (rejects with its reason) or the deadline (ENGINE_TIMEOUT), its
 * error translated. `call` gets a signal that lives as long as the call: a stream it resolves to is the caller's own.
 * Rejects at once when a signal fires, whatever the library does; a stream that arrives later is destroyed.
 */
export async function engineCall<T>(
  operation: Operation,
  call: (abortSignal: AbortSignal) => Promise<T>,
  { signal, timeoutMs, name }: EngineCallOptions,
): Promise<T> {
  signal?.throwIfAborted()
  const controller = new AbortController()
  const stopped = Promise.withResolvers<never>()
  stopped.promise.catch(() => undefined)
  const stop = (reason: unknown): void => {
    stopped.reject(reason)
    controller.abort(reason)
  }
  const onAbort = (): void => stop(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  const timer = setTimeout(() => stop(timeout(operation, timeoutMs)), timeoutMs)
  try {
    const running = call(controller.signal)
    running.then((late) => controller.signal.aborted && destroy(late)).catch(() => undefined)
    return await Promise.race([running, stopped.promise])
  } catch (thrown) {
    if (controller.signal.aborted) throw controller.signal.reason
    throw translate(operation, thrown, name)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

function destroy(value: unknown): void {
  if (value !== null && typeof value === 'object' && 'destroy' in value && typeof value.destroy === 'function') {
    value.destroy()
  }
}

function timeout(operation: Operation, timeoutMs: number): SandboxError {
  return new SandboxError(
    'ENGINE_TIMEOUT',
    `the container engine did not answer within ${timeoutMs} ms; try again, and look at the engine's load if it stays so`,
    { cause: new Error(`${operation} took longer than ${timeoutMs} ms`), details: { retryAfterSeconds: 5 } },
  )
}

/** The HTTP status of a dockerode error, null for errors of the connection. */
export function statusOf(thrown: unknown): number | null {
  if (
    thrown !== null &&
    typeof thrown === 'object' &&
    'statusCode' in thrown &&
    typeof thrown.statusCode === 'number'
  ) {
    return thrown.statusCode
  }
  return null
}

/** The engine's own words: for the log, and to tell apart what shares a status. Never for a caller. */
export function engineText(thrown: unknown): string {
  if (thrown === null || typeof thrown !== 'object') return ''
  if ('json' in thrown && thrown.json !== null && typeof thrown.json === 'object' && 'message' in thrown.json) {
    return String(thrown.json.message)
  }
  if (!(thrown instanceof Error)) return ''
  // Of streaming calls dockerode keeps the text only behind its own wording of the status, which says "no such container"
  // for a missing path, too.
  const own = /^\(HTTP code \d+\) (?:[^-]|-(?! ))*- /.exec(thrown.message)?.[0] ?? ''
  return thrown.message.slice(own.length).trim()
}

const AWAY = new Set([
  'ENOENT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'EAI_AGAIN',
])

function translate(operation: Operation, thrown: unknown, name: string | undefined): unknown {
  if (thrown instanceof SandboxError) return thrown
  const status = statusOf(thrown)
  if (status === null) return connectionError(thrown)
  const text = engineText(thrown)
  const options = { cause: thrown }
  if (/no space left on device|disk quota exceeded/i.test(text)) {
    return new SandboxError(
      'DISK_FULL',
      "the engine's disk is full; delete sandboxes or images, then try again",
      options,
    )
  }
  if (status === 503) return away(thrown)
  if (status === 404) return notFound(operation, text, name, options)
  if (status === 409 || status === 304) {
    return new SandboxError(
      'SANDBOX_STATE_CONFLICT',
      `${subject(operation, name)} is in a state that does not allow this; read its status and try again`,
      options,
    )
  }
  if (operation === 'image.inspect' && status === 400) {
    return new SandboxError('TEMPLATE_INVALID', `template ${name ?? ''} is not an image name for the engine`, options)
  }
  if (operation === 'container.start') {
    return new SandboxError(
      'SANDBOX_START_FAILED',
      `${subject(operation, name)} did not start: the engine refused it`,
      options,
    )
  }
  if (operation === 'exec') {
    // Among others, a container that is ending: the engine has no word of its own for it.
    return new SandboxError(
      'AGENT_UNAVAILABLE',
      `the agent of ${subject(operation, name)} can't be reached; try again`,
      {
        ...options,
        details: { retryAfterSeconds: 1 },
      },
    )
  }
  return new SandboxError('INTERNAL', `the container engine failed at ${operation}; the log has its answer`, options)
}

function connectionError(thrown: unknown): unknown {
  const code = errorCode(thrown)
  if (code === 'EACCES' || code === 'EPERM') {
    return new SandboxError(
      'ENGINE_UNAVAILABLE',
      "no permission to use the container engine's socket; run the server as a user of the socket's group (often `docker`)",
      { cause: thrown, details: { retryAfterSeconds: 30 } },
    )
  }
  const text = thrown instanceof Error ? thrown.message : ''
  if ((code !== null && AWAY.has(code)) || /socket hang up|aborted/i.test(text)) return away(thrown)
  return thrown
}

function away(cause: unknown): SandboxError {
  return new SandboxError('ENGINE_UNAVAILABLE', 'the container engine does not answer; try again when it is back', {
    cause,
    details: { retryAfterSeconds: 2 },
  })
}

const NOT_FOUND: Partial<Record<Operation, ErrorCode>> = {
  'image.inspect': 'TEMPLATE_NOT_FOUND',
  'image.pull': 'TEMPLATE_NOT_FOUND',
  'image.remove': 'TEMPLATE_NOT_FOUND',
  'container.create': 'TEMPLATE_NOT_FOUND',
  'container.change': 'SANDBOX_NOT_FOUND',
  'container.read': 'SANDBOX_NOT_FOUND',
  'container.commit': 'SANDBOX_NOT_FOUND',
  exec: 'SANDBOX_NOT_FOUND',
}

function notFound(
  operation: Operation,
  text: string,
  name: string | undefined,
  options: { cause: unknown },
): SandboxError {
  // One status for two facts: the container, and what it names (its network, a path in it).
  const container = /no such container/i.test(text)
  if (operation === 'container.start' && !container) {
    return new SandboxError(
      'SANDBOX_START_FAILED',
      `${subject(operation, name)} did not start: a part of it is missing`,
      options,
    )
  }
  if (operation === 'container.archive' && !container) {
    return new SandboxError('FILE_NOT_FOUND', `no file or folder ${name ?? ''} in the sandbox`, options)
  }
  const code = container ? 'SANDBOX_NOT_FOUND' : (NOT_FOUND[operation] ?? 'INTERNAL')
  if (code === 'TEMPLATE_NOT_FOUND') {
    return new SandboxError(code, `no image ${name ?? ''} on the engine; check the name or pull it`, options)
  }
  if (code === 'SANDBOX_NOT_FOUND') return new SandboxError(code, `no sandbox ${name ?? ''} on the engine`, options)
  return new SandboxError(code, `the container engine failed at ${operation}; the log has its answer`, options)
}

function subject(operation: Operation, name: string | undefined): string {
  return operation.startsWith('container') || operation === 'exec'
    ? `sandbox ${name ?? ''}`.trim()
    : (name ?? operation)
}

function errorCode(thrown: unknown): string | null {
  if (thrown !== null && typeof thrown === 'object' && 'code' in thrown && typeof thrown.code === 'string')
    return thrown.code
  return null
}

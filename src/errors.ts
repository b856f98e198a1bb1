/**
 * Every failure the server can name: its stable `code`, and the HTTP status that http/problem.ts answers with.
 * A code never changes its meaning; new situations get new codes.
 */
export const ERROR_STATUS = {
  // the request
  VALIDATION_FAILED: 422,
  INVALID_REQUEST: 400,
  ROUTE_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  UPGRADE_REQUIRED: 426,
  HEADERS_TOO_LARGE: 431,
  HOST_NOT_ALLOWED: 421,
  ORIGIN_NOT_ALLOWED: 403,
  REQUEST_TIMEOUT: 408,
  // sandboxes
  SANDBOX_NOT_FOUND: 404,
  SANDBOX_STATE_CONFLICT: 409,
  SANDBOX_START_FAILED: 500,
  SANDBOX_LIMIT_REACHED: 503,
  NAME_TAKEN: 409,
  POOL_NOT_FOUND: 404,
  IDEMPOTENCY_KEY_REUSED: 422,
  IDEMPOTENT_RESULT_GONE: 410,
  TEMPLATE_INVALID: 400,
  TEMPLATE_NOT_FOUND: 404,
  TEMPLATE_EXISTS: 409,
  TEMPLATE_NOT_READY: 409,
  TEMPLATE_LIMIT_REACHED: 503,
  DOCKERFILE_INVALID: 400,
  BUILD_NOT_FOUND: 404,
  IMAGE_IN_USE: 409,
  VOLUME_NOT_FOUND: 404,
  VOLUME_EXISTS: 409,
  VOLUME_IN_USE: 409,
  VOLUME_FULL: 507,
  VOLUME_LIMIT_REACHED: 503,
  SNAPSHOT_NOT_FOUND: 404,
  SNAPSHOT_LOST: 409,
  SNAPSHOT_LIMIT_REACHED: 503,
  UNSUPPORTED_ACTION: 400,
  NOT_SUPPORTED_BY_ENGINE: 400,
  // webhooks
  WEBHOOK_NOT_FOUND: 404,
  WEBHOOK_LIMIT_REACHED: 503,
  WEBHOOK_URL_REFUSED: 400,
  // processes and code
  PROCESS_NOT_FOUND: 404,
  STDIN_CLOSED: 409,
  TERMINAL_UNAVAILABLE: 503,
  CWD_NOT_FOUND: 400,
  CWD_NOT_A_DIRECTORY: 400,
  CWD_NOT_ACCESSIBLE: 400,
  COMMAND_NOT_FOUND: 400,
  COMMAND_NOT_EXECUTABLE: 400,
  USER_NOT_FOUND: 400,
  LANGUAGE_UNAVAILABLE: 400,
  TOO_MANY_PROCESSES: 503,
  CONTEXT_NOT_FOUND: 404,
  CONTEXT_EXISTS: 409,
  CONTEXT_LIMIT_REACHED: 503,
  // files
  FILE_NOT_FOUND: 404,
  PATH_REQUIRED: 400,
  PATH_IS_DIRECTORY: 400,
  PATH_NOT_DIRECTORY: 400,
  PATH_NOT_REGULAR_FILE: 400,
  PATH_REFUSED: 400,
  FILE_NOT_TEXT: 400,
  FILE_TOO_LARGE: 413,
  FILE_EXISTS: 409,
  ARCHIVE_UNSAFE: 400,
  ARCHIVE_INVALID: 400,
  PRECONDITION_FAILED: 412,
  DIGEST_MISMATCH: 400,
  RANGE_NOT_SATISFIABLE: 416,
  WATCH_LIMIT_REACHED: 503,
  PERMISSION_DENIED: 403,
  NO_SPACE_IN_SANDBOX: 507,
  // ports
  PORT_NOT_OPEN: 502,
  PORT_BROKEN: 502,
  TUNNEL_LIMIT_REACHED: 503,
  // the server and what it stands on
  ENGINE_UNAVAILABLE: 503,
  ENGINE_TIMEOUT: 504,
  AGENT_UNAVAILABLE: 503,
  DISK_FULL: 507,
  SERVER_BUSY: 503,
  SHUTTING_DOWN: 503,
  CLIENT_GONE: 499,
  INTERNAL: 500,
} as const satisfies Record<string, number>

export type ErrorCode = keyof typeof ERROR_STATUS

/** What a caller may be told beside the sentence. Never paths of the host, engine texts or stack traces. */
export interface ErrorDetails {
  /** Seconds after which trying again makes sense; sent as Retry-After. */
  retryAfterSeconds?: number
  /** Each fault of a VALIDATION_FAILED request. `loc`: where, from the outside in. */
  errors?: { loc: (string | number)[]; msg: string; type: string }[]
  /** Last lines a container printed before it ended. */
  output?: string
}

/** The one error class. `message` is a sentence for the caller: the thing, the fact, the next step. `cause` is for the log only. */
export class SandboxError extends Error {
  override readonly name = 'SandboxError'
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: ErrorDetails } = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
  }

  get status(): number {
    return ERROR_STATUS[this.code]
  }

  /** Ours as it is; an abort's reason when that is ours; all else INTERNAL with the original as `cause`. For edges only. */
  static from(thrown: unknown): SandboxError {
    if (thrown instanceof SandboxError) return thrown
    if (thrown instanceof Error && thrown.name === 'AbortError') {
      if (thrown.cause instanceof SandboxError) return thrown.cause
      return new SandboxError('CLIENT_GONE', 'the client went away before the answer', { cause: thrown })
    }
    if (thrown instanceof Error && thrown.name === 'TimeoutError') {
      return new SandboxError('ENGINE_TIMEOUT', 'a step took longer than its limit; try again', { cause: thrown })
    }
    return new SandboxError('INTERNAL', 'internal error; the log has the details under this request id', {
      cause: thrown,
    })
  }
}

export function isSandboxError(thrown: unknown, code?: ErrorCode): thrown is SandboxError {
  return thrown instanceof SandboxError && (code === undefined || thrown.code === code)
}

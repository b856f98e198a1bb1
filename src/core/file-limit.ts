import { SandboxError } from '../errors.ts'

export function tooLarge(limitBytes: number): SandboxError {
  return new SandboxError(
    'FILE_TOO_LARGE',
    `the file is larger than this server reads or writes in one call (${limitBytes} bytes, K2_MAX_FILE_MB)`,
  )
}

/** Smaller reads are held without asking. /proc files, which have no size, are among them. */
export const UNCOUNTED_BYTES = 64 * 1024

export function noRoom(): SandboxError {
  return new SandboxError(
    'SERVER_BUSY',
    'the server holds as much data for other requests as it may (K2_BUFFER_MB); try again in a moment',
    { details: { retryAfterSeconds: 1 } },
  )
}

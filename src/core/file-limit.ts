import { SandboxError } from '../errors.ts'

export function tooLarge(limitBytes: number): SandboxError {
  return new SandboxError(
    'FILE_TOO_LARGE',
    `the file is larger than this server passes on in one answer (${limitBytes} bytes, K2_MAX_FILE_MB)`,
  )
}

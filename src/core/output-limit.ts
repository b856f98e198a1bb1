import { SandboxError } from '../errors.ts'
import type { SandboxRules } from './new-record.ts'

/** Bytes kept of each stream: as asked, else the server's default. VALIDATION_FAILED above its limit. */
export function outputLimitWithin(asked: number | undefined, { defaults, limits }: SandboxRules): number {
  if (!asked) return defaults.outputBytes
  if (asked <= limits.outputBytes) return asked
  const msg = `output_limit_bytes is ${asked}, this server allows ${limits.outputBytes} at most (K2_MAX_OUTPUT_KB)`
  throw new SandboxError('VALIDATION_FAILED', msg, {
    details: { errors: [{ loc: ['body', 'output_limit_bytes'], msg, type: 'value_error.number.not_le' }] },
  })
}

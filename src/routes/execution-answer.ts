/** Parts of the answers of commands and code. */
import { isAscii } from 'node:buffer'
import type { Usage as UsageAnswer } from '../../schemas/execution.ts'
import type { Usage } from '../core/model.ts'

/** Bytes as the text that was asked for; what is not UTF-8 is replaced under `utf-8`. */
export function encodeBytes(bytes: Uint8Array, encoding: 'utf-8' | 'base64'): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // ASCII is decoded as latin1 in a sixth of the time (10 MiB: 0.8 ms against 4.6).
  return buffer.toString(encoding === 'utf-8' && isAscii(buffer) ? 'latin1' : encoding)
}

export function usageAnswer(usage: Usage): UsageAnswer {
  return {
    cpu_seconds: usage.cpuSeconds,
    peak_memory_bytes: usage.peakMemoryBytes,
    wall_seconds: usage.wallSeconds,
  }
}

import type { ProcessInfo } from '../../schemas/process.ts'
import type { RunningProcess } from '../core/model.ts'
import { nullableTimestamp, timestamp } from '../http/timestamp.ts'
import { usageAnswer } from './execution-answer.ts'

export function processAnswer(process: RunningProcess): ProcessInfo {
  return {
    process_id: process.id,
    pid: process.pid,
    command: process.command,
    cwd: process.cwd,
    user: process.user,
    tag: process.tag,
    keep_alive: process.keepAlive,
    pty: process.pty,
    context_id: process.contextId,
    state: process.state,
    started_at: timestamp(process.startedAt),
    ended_at: nullableTimestamp(process.endedAt),
    exit_code: process.exitCode,
    signal: process.signal,
    reason: process.reason,
    usage: process.usage && usageAnswer(process.usage),
    output_bytes: process.outputBytes,
    dropped_bytes: process.droppedBytes,
  }
}

/** For the document's examples. */
export const PROCESS: ProcessInfo = {
  process_id: 'p7d0c41',
  pid: 57,
  command: 'python3 -m http.server 8000',
  cwd: '/home/user',
  user: 'user',
  tag: 'web',
  keep_alive: true,
  pty: null,
  context_id: null,
  state: 'running',
  started_at: '2026-01-15T09:30:00.000Z',
  ended_at: null,
  exit_code: null,
  signal: null,
  reason: null,
  usage: null,
  output_bytes: 64,
  dropped_bytes: 0,
}

export const ENDED: ProcessInfo = {
  ...PROCESS,
  state: 'exited',
  ended_at: '2026-01-15T09:40:00.000Z',
  exit_code: 0,
  reason: 'exited',
  usage: { cpu_seconds: 0.12, peak_memory_bytes: 21_000_000, wall_seconds: 600 },
}

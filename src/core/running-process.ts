import type { ProcessStatus } from '../agent/types.ts'
import { usageOf } from './executions.ts'
import type { RunningProcess } from './model.ts'

/** A process as callers see it. */
export function toRunningProcess(status: ProcessStatus): RunningProcess {
  const { argv, label, state, ...same } = status
  return {
    id: same.id,
    pid: same.pid,
    command: commandOf(argv),
    cwd: same.cwd,
    user: same.user,
    tag: label,
    keepAlive: same.keepAlive,
    pty: same.pty,
    contextId: same.contextId,
    state,
    startedAt: same.startedAt,
    endedAt: same.endedAt,
    exitCode: same.exitCode,
    signal: same.signal,
    reason: same.reason,
    usage: state === 'exited' ? usageOf(status) : null,
    outputBytes: same.outputBytes,
    droppedBytes: same.droppedBytes,
  }
}

/** The text of a shell command, else the arguments. */
function commandOf(argv: string[]): string {
  const [program, flag, text] = argv
  return program === '/bin/sh' && flag === '-c' && text !== undefined && argv.length === 3 ? text : argv.join(' ')
}

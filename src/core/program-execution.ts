import type { StartProcess } from '../agent/types.ts'
import { environmentOf } from './environment.ts'
import { pathInside } from './paths.ts'
import type { SandboxRecord } from './record.ts'

/** One run of a program in a sandbox, to its end. */
export interface ProgramExecution {
  argv: string[]
  script?: { name: string; content: string } | undefined
  cwd?: string | undefined
  envs?: Record<string, string> | undefined
  user?: string | undefined
  /** 0 or absent: none. */
  timeoutMs?: number | undefined
  /** Also `time` events. */
  time?: boolean
}

/** What the agent is asked to start, with the sandbox's own where the call has nothing. */
export function toProcess(record: SandboxRecord, id: string, execution: ProgramExecution): StartProcess {
  return {
    id,
    argv: execution.argv,
    env: environmentOf(record, execution.envs),
    cwd: execution.cwd ? pathInside(record.cwd, execution.cwd) : record.cwd,
    user: execution.user || record.user,
    script: execution.script,
    timeoutMs: execution.timeoutMs || 0,
    time: execution.time,
  }
}

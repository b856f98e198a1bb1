import { ProcessInfo, ProcessList } from '../../schemas/process.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions, RunningProcess } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { nullableTimestamp, timestamp } from '../http/timestamp.ts'
import { INSIDE_ERRORS, ProcessParams, SandboxParams } from './sandbox-id.ts'

export interface ProcessRoutesOptions {
  processes: {
    list(id: string, options: CallOptions): Promise<RunningProcess[]>
    get(id: string, processId: string, options: CallOptions): Promise<RunningProcess>
  }
}

export async function processRoutes(app: TypedApp, { processes }: ProcessRoutesOptions): Promise<void> {
  app.get('/sandboxes/:sandbox_id/processes', { schema: listProcesses }, async ({ params }, reply) => {
    const list = await processes.list(params.sandbox_id, { signal: clientGone(reply) })
    return { processes: list.map(processAnswer) }
  })

  app.get('/sandboxes/:sandbox_id/processes/:process_id', { schema: getProcess }, async ({ params }, reply) =>
    processAnswer(await processes.get(params.sandbox_id, params.process_id, { signal: clientGone(reply) })),
  )
}

function processAnswer(process: RunningProcess): ProcessInfo {
  return {
    process_id: process.id,
    pid: process.pid,
    command: process.command,
    cwd: process.cwd,
    user: process.user,
    state: process.state,
    started_at: timestamp(process.startedAt),
    ended_at: nullableTimestamp(process.endedAt),
    exit_code: process.exitCode,
    signal: process.signal,
    reason: process.reason,
  }
}

const PROCESS: ProcessInfo = {
  process_id: 'p7d0c41',
  pid: 57,
  command: 'sleep 600',
  cwd: '/home/user',
  user: 'user',
  state: 'running',
  started_at: '2026-01-15T09:30:00.000Z',
  ended_at: null,
  exit_code: null,
  signal: null,
  reason: null,
}

const listProcesses = operation({
  operationId: 'listProcesses',
  tag: 'processes',
  summary: 'List processes',
  description: 'What was started through this API in the sandbox: running, and what ended lately.',
  params: SandboxParams,
  answer: Ref(ProcessList),
  answerExamples: { one: { processes: [PROCESS] } },
  errors: INSIDE_ERRORS,
})

const getProcess = operation({
  operationId: 'getProcess',
  tag: 'processes',
  summary: 'Look at a process',
  description: 'How a process that was started through this API is doing, or how it ended.',
  params: ProcessParams,
  answer: Ref(ProcessInfo),
  answerExamples: {
    running: PROCESS,
    ended: { ...PROCESS, state: 'exited', ended_at: '2026-01-15T09:40:00.000Z', exit_code: 0, reason: 'exited' },
  },
  errors: [...INSIDE_ERRORS, 'PROCESS_NOT_FOUND'],
})

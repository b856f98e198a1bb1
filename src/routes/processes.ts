import {
  ProcessCreate,
  ProcessDeleted,
  ProcessInfo,
  ProcessList,
  ProcessListQuery,
  ProcessSignalRequest,
  ProcessWaitQuery,
  TerminalSize,
} from '../../schemas/process.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions, RunningProcess, StartedProcess } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { ENDED, PROCESS, processAnswer } from './process-answer.ts'
import { INSIDE_ERRORS, ProcessParams, RUN_ERRORS, SandboxParams } from './sandbox-id.ts'

export interface ProcessRoutesOptions {
  processes: {
    start(id: string, request: StartedProcess, options: CallOptions): Promise<RunningProcess>
    list(
      id: string,
      filter: { tag?: string | undefined; state?: RunningProcess['state'] | undefined },
      options: CallOptions,
    ): Promise<RunningProcess[]>
    get(id: string, processId: string, options: CallOptions): Promise<RunningProcess>
    wait(id: string, processId: string, waitMs: number, options: CallOptions): Promise<RunningProcess>
    signal(
      id: string,
      processId: string,
      signal: { name: string; scope?: 'group' | 'process' | undefined },
      options: CallOptions,
    ): Promise<RunningProcess>
    resize(id: string, processId: string, size: TerminalSize, options: CallOptions): Promise<RunningProcess>
    remove(id: string, processId: string, options: CallOptions): Promise<void>
  }
}

const PROCESSES = '/sandboxes/:sandbox_id/processes'
const ONE = `${PROCESSES}/:process_id` as const
const DEFAULT_WAIT_SECONDS = 60

export async function processRoutes(app: TypedApp, { processes }: ProcessRoutesOptions): Promise<void> {
  app.post(PROCESSES, { schema: startProcess }, async ({ params, body }, reply) =>
    processAnswer(await processes.start(params.sandbox_id, toStart(body), { signal: clientGone(reply) })),
  )

  app.get(PROCESSES, { schema: listProcesses }, async ({ params, query }, reply) => {
    const list = await processes.list(params.sandbox_id, query, { signal: clientGone(reply) })
    return { processes: list.map(processAnswer) }
  })

  app.get(ONE, { schema: getProcess }, async ({ params }, reply) =>
    processAnswer(await processes.get(params.sandbox_id, params.process_id, { signal: clientGone(reply) })),
  )

  app.get(`${ONE}/wait`, { schema: waitForProcess }, async ({ params, query }, reply) => {
    const waitMs = Math.ceil((query.timeout ?? DEFAULT_WAIT_SECONDS) * 1000)
    const signal = clientGone(reply)
    return processAnswer(await processes.wait(params.sandbox_id, params.process_id, waitMs, { signal }))
  })

  app.post(`${ONE}/signal`, { schema: signalProcess }, async ({ params, body }, reply) => {
    const wanted = { name: body.signal, scope: body.scope }
    const signal = clientGone(reply)
    return processAnswer(await processes.signal(params.sandbox_id, params.process_id, wanted, { signal }))
  })

  app.post(`${ONE}/resize`, { schema: resizeTerminal }, async ({ params, body }, reply) => {
    const signal = clientGone(reply)
    return processAnswer(await processes.resize(params.sandbox_id, params.process_id, body, { signal }))
  })

  app.delete(ONE, { schema: deleteProcess }, async ({ params }, reply) => {
    await processes.remove(params.sandbox_id, params.process_id, { signal: clientGone(reply) })
    return { process_id: params.process_id, status: 'deleted' as const }
  })
}

function toStart(body: ProcessCreate): StartedProcess {
  return {
    command: body.command,
    argv: body.argv,
    cwd: body.cwd || undefined,
    envs: body.envs,
    user: body.user,
    stdin: body.stdin,
    pty: body.pty,
    timeoutMs: body.timeout ? Math.ceil(body.timeout * 1000) : undefined,
    tag: body.tag,
    keepAlive: body.keep_alive,
    bufferBytes: body.buffer_bytes,
  }
}

const startProcess = operation({
  operationId: 'startProcess',
  tag: 'processes',
  summary: 'Start a process in the background',
  description:
    'Answers when it runs; it goes on without its caller, through a restart of this server too, until it ends, is killed, or the sandbox stops. Its latest output is kept for the output route, an hour beyond its end. With `pty` it gets a terminal. Counts as use of the sandbox; while it runs only with `keep_alive`.',
  params: SandboxParams,
  body: Ref(ProcessCreate),
  requestExamples: {
    server: { command: 'python3 -m http.server 8000', tag: 'web', keep_alive: true },
    filter: { argv: ['tr', 'a-z', 'A-Z'], stdin: true },
    terminal: { pty: { cols: 80, rows: 24 } },
  },
  answer: Ref(ProcessInfo),
  answerExamples: { running: PROCESS },
  errors: [...RUN_ERRORS, 'TERMINAL_UNAVAILABLE'],
})

const listProcesses = operation({
  operationId: 'listProcesses',
  tag: 'processes',
  summary: 'List processes',
  description:
    'What was started through this API in the sandbox: background processes, terminals, commands and runs of code; running, and what ended lately.',
  params: SandboxParams,
  querystring: ProcessListQuery,
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
  answerExamples: { running: PROCESS, ended: ENDED },
  errors: [...INSIDE_ERRORS, 'PROCESS_NOT_FOUND'],
})

const waitForProcess = operation({
  operationId: 'waitForProcess',
  tag: 'processes',
  summary: 'Wait for a process',
  description:
    'Answers as soon as it has ended and its output is complete, or after `timeout` with how it stands: `state` tells. Counts as use of the sandbox.',
  params: ProcessParams,
  querystring: ProcessWaitQuery,
  answer: Ref(ProcessInfo),
  answerExamples: { ended: ENDED, still_running: PROCESS },
  errors: [...INSIDE_ERRORS, 'PROCESS_NOT_FOUND'],
})

const signalProcess = operation({
  operationId: 'signalProcess',
  tag: 'processes',
  summary: 'Send a signal to a process',
  description:
    'To its process group, or to it alone. What it does about it is seen later. Nothing happens when it has ended. To end it for sure with all it started: delete it. Counts as use of the sandbox.',
  params: ProcessParams,
  body: Ref(ProcessSignalRequest),
  requestExamples: { end: { signal: 'SIGTERM' }, reload: { signal: 'HUP', scope: 'process' } },
  answer: Ref(ProcessInfo),
  answerExamples: { running: PROCESS },
  errors: [...INSIDE_ERRORS, 'PROCESS_NOT_FOUND'],
})

const resizeTerminal = operation({
  operationId: 'resizeTerminal',
  tag: 'processes',
  summary: 'Resize the terminal of a process',
  description: 'Its program is told by SIGWINCH. Only for a process that was started with `pty`.',
  params: ProcessParams,
  body: Ref(TerminalSize),
  requestExamples: { wide: { cols: 132, rows: 43 } },
  answer: Ref(ProcessInfo),
  answerExamples: { resized: { ...PROCESS, command: 'top', tag: null, pty: { cols: 132, rows: 43 } } },
  errors: [...INSIDE_ERRORS, 'PROCESS_NOT_FOUND'],
})

const deleteProcess = operation({
  operationId: 'deleteProcess',
  tag: 'processes',
  summary: 'Kill and forget a process',
  description:
    'Kills it with all that it started, whatever they do about it, and forgets its output. Answers when they are gone. Counts as use of the sandbox.',
  params: ProcessParams,
  answer: Ref(ProcessDeleted),
  answerExamples: { deleted: { process_id: 'p7d0c41', status: 'deleted' } },
  errors: [...INSIDE_ERRORS, 'PROCESS_NOT_FOUND'],
})

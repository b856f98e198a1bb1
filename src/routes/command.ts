import { CommandExecution, CommandResponse } from '../../schemas/command.ts'
import { ExecutionEvent } from '../../schemas/live.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions, CommandResult, OnRunEvent, RunCommand, RunEnd } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import { answerLive, liveType } from '../http/live-answer.ts'
import { callOptions, liveOptions } from '../http/memory.ts'
import { operation } from '../http/operation.ts'
import type { MemoryBudget } from '../lib/memory-budget.ts'
import { USAGE } from './examples.ts'
import { encodeBytes, usageAnswer } from './execution-answer.ts'
import { LIVE_EXAMPLES, LiveEvents } from './live-events.ts'
import { RUN_ERRORS, SandboxParams } from './sandbox-id.ts'

export interface CommandRoutesOptions {
  commands: {
    run(id: string, command: RunCommand, options: CallOptions): Promise<CommandResult>
    follow(id: string, command: RunCommand, onEvent: OnRunEvent, options: CallOptions): Promise<RunEnd>
  }
  memory: MemoryBudget
  heartbeatMs: number
}

export async function commandRoutes(
  app: TypedApp,
  { commands, memory, heartbeatMs }: CommandRoutesOptions,
): Promise<void> {
  app.post('/sandboxes/:sandbox_id/command', { schema: runCommand }, async (request, reply) => {
    const id = request.params.sandbox_id
    const encoding = request.body.encoding ?? 'utf-8'
    const command = toCommand(request.body)
    const type = liveType(request)
    if (type === null) return commandAnswer(await commands.run(id, command, callOptions(reply, memory)), encoding)
    const { signal } = liveOptions(reply, memory)
    return answerLive<ExecutionEvent>(request, reply, { type, heartbeatMs }, async (send) => {
      const events = new LiveEvents(send, encoding)
      await events.end(await commands.follow(id, command, events.take, { signal }))
    })
  })
}

export function toCommand(body: CommandExecution): RunCommand {
  return {
    command: body.command,
    cwd: body.cwd || undefined,
    envs: body.envs,
    timeoutMs: body.timeout ? Math.ceil(body.timeout * 1000) : undefined,
    user: body.user,
    outputLimitBytes: body.output_limit_bytes,
    markCuts: body.encoding !== 'base64',
    detach: body.detach,
  }
}

export function commandAnswer(result: CommandResult, encoding: CommandResponse['encoding']): CommandResponse {
  return {
    stdout: encodeBytes(result.stdout, encoding),
    stderr: encodeBytes(result.stderr, encoding),
    exit_code: result.exitCode,
    execution_time: (result.finishedAt - result.startedAt) / 1000,
    reason: result.reason,
    signal: result.signal,
    usage: usageAnswer(result.usage),
    truncated: result.truncated,
    encoding,
    process_id: result.processId,
  }
}

const runCommand = operation({
  operationId: 'runCommand',
  tag: 'execution',
  summary: 'Run a shell command',
  description:
    'Runs `sh -c` with the command as one argument and answers when it has ended. A program that fails is an answer (`exit_code`), not an error. If the client leaves, the command and all it started are killed, unless it said `detach`. With `Accept: text/event-stream` or `application/x-ndjson` the answer comes as it happens: `start`, `stdout` and `stderr`, `end`. Counts as use of the sandbox.',
  params: SandboxParams,
  body: Ref(CommandExecution),
  requestExamples: {
    simple: { command: 'echo hello' },
    limited: { command: 'make test 2>&1 | tail -50', cwd: '/home/user/project', envs: { CI: '1' }, timeout: 60 },
    bytes: { command: 'head -c 16 /dev/urandom', encoding: 'base64' },
  },
  answer: Ref(CommandResponse),
  answerExamples: {
    simple: {
      stdout: 'hello\n',
      stderr: '',
      exit_code: 0,
      execution_time: 0.018,
      reason: 'exited',
      signal: null,
      usage: USAGE,
      truncated: false,
      encoding: 'utf-8',
      process_id: 'p7d0c41',
    },
  },
  live: { event: ExecutionEvent, examples: { stdout: LIVE_EXAMPLES.stdout, end: LIVE_EXAMPLES.end } },
  errors: [...RUN_ERRORS, 'SERVER_BUSY'],
})

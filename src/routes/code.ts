import { CodeExecution, ExecutionResponse, type LogLine as LogLineAnswer } from '../../schemas/code.ts'
import { ExecutionEvent } from '../../schemas/live.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions, CodeEnd, CodeResult, LogLine, OnRunEvent, RunCode } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import { answerLive, liveType } from '../http/live-answer.ts'
import { callOptions, liveOptions } from '../http/memory.ts'
import { operation } from '../http/operation.ts'
import { timestamp } from '../http/timestamp.ts'
import type { MemoryBudget } from '../lib/memory-budget.ts'
import { USAGE } from './examples.ts'
import { usageAnswer } from './execution-answer.ts'
import { LIVE_EXAMPLES, LiveEvents } from './live-events.ts'
import { mainText, resultAnswer } from './result-answer.ts'
import { RUN_ERRORS, SandboxParams } from './sandbox-id.ts'

export interface CodeRoutesOptions {
  code: {
    run(id: string, code: RunCode, options: CallOptions): Promise<CodeResult>
    follow(id: string, code: RunCode, onEvent: OnRunEvent, options: CallOptions): Promise<CodeEnd>
  }
  memory: MemoryBudget
  heartbeatMs: number
}

/** Of the contract, for an absent timeout and for 0. */
const DEFAULT_TIMEOUT_SECONDS = 300

export async function codeRoutes(app: TypedApp, { code, memory, heartbeatMs }: CodeRoutesOptions): Promise<void> {
  app.post('/sandboxes/:sandbox_id/code', { schema: runCode }, async (request, reply) => {
    const id = request.params.sandbox_id
    const run = toCode(request.body)
    const type = liveType(request)
    if (type === null) return codeAnswer(await code.run(id, run, callOptions(reply, memory)))
    const { signal } = liveOptions(reply, memory)
    return answerLive<ExecutionEvent>(request, reply, { type, heartbeatMs }, async (send) => {
      const events = new LiveEvents(send, 'utf-8')
      await events.end(await code.follow(id, run, events.take, { signal }))
    })
  })
}

export function toCode(body: CodeExecution): RunCode {
  return {
    code: body.code,
    contextId: body.context_id,
    language: body.language?.trim().toLowerCase() || undefined,
    cwd: body.cwd || undefined,
    envs: body.envs,
    timeoutMs: Math.ceil((body.timeout || DEFAULT_TIMEOUT_SECONDS) * 1000),
    user: body.user,
    outputLimitBytes: body.output_limit_bytes,
    detach: body.detach,
    checkTypes: body.check_types,
  }
}

export function codeAnswer(result: CodeResult): ExecutionResponse {
  return {
    text: mainText(result.displays),
    logs: { stdout: result.logs.stdout.map(lineAnswer), stderr: result.logs.stderr.map(lineAnswer) },
    results: result.displays.map(resultAnswer),
    error: result.error,
    created_at: timestamp(result.startedAt),
    finished_at: timestamp(result.finishedAt),
    language: result.language,
    exit_code: result.exitCode,
    reason: result.reason,
    signal: result.signal,
    usage: usageAnswer(result.usage),
    truncated: result.truncated,
    process_id: result.processId,
    context_id: result.contextId,
    state_lost: result.stateLost,
  }
}

function lineAnswer({ line, error, timestampMs }: LogLine): LogLineAnswer {
  return { line, error, timestamp: timestampMs / 1000 }
}

const RUN = {
  text: null,
  logs: { stdout: [{ line: '42\n', error: false, timestamp: 1_768_469_400.123 }], stderr: [] },
  results: [],
  error: null,
  created_at: '2026-01-15T09:30:00.100Z',
  finished_at: '2026-01-15T09:30:00.140Z',
  language: 'python',
  exit_code: 0,
  reason: 'exited',
  signal: null,
  usage: USAGE,
  truncated: false,
  process_id: 'p7d0c41',
  context_id: 'default-python',
  state_lost: false,
}

const runCode = operation({
  operationId: 'runCode',
  tag: 'execution',
  summary: 'Run code',
  description:
    'Runs the code as a cell of a notebook, and answers when it has ended. In Python, JavaScript, TypeScript and Bash variables, imports and the working directory live on from run to run: in the context that is named, else in the one that the language has of its own. Runs in one context wait for each other. Code of any other language runs as a program of its own. An error of the code is an answer (`error`), not an error of this API. If the client leaves, the run is interrupted, unless it said `detach`. With `Accept: text/event-stream` or `application/x-ndjson` the answer comes as it happens: `start`, `stdout`, `stderr` and `result`, `error` where there is one, `end`. Counts as use of the sandbox.',
  params: SandboxParams,
  body: Ref(CodeExecution),
  requestExamples: {
    python: { code: 'print(6 * 7)' },
    context: { code: 'x + 1', context_id: 'cQ2v9Xk1LmZaT' },
    javascript: { code: 'console.log(process.env.NAME)', language: 'javascript', envs: { NAME: 'k2' }, timeout: 10 },
  },
  answer: Ref(ExecutionResponse),
  answerExamples: {
    printed: RUN,
    value: {
      ...RUN,
      text: '42',
      logs: { stdout: [], stderr: [] },
      results: [resultAnswer({ data: { 'text/plain': '42' }, main: true, displayId: null, truncated: [] })],
    },
    failed: {
      ...RUN,
      logs: { stdout: [], stderr: [] },
      error: {
        name: 'ZeroDivisionError',
        value: 'division by zero',
        traceback: [
          'Traceback (most recent call last):',
          '  File "<cell 1>", line 1, in <module>',
          '    1 / 0',
          'ZeroDivisionError: division by zero',
        ],
      },
      exit_code: 1,
    },
  },
  live: { event: ExecutionEvent, examples: LIVE_EXAMPLES },
  errors: [
    ...RUN_ERRORS,
    'CONTEXT_NOT_FOUND',
    'CONTEXT_LIMIT_REACHED',
    'LANGUAGE_UNAVAILABLE',
    'PERMISSION_DENIED',
    'SERVER_BUSY',
  ],
})

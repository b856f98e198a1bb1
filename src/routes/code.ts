import { CodeExecution, ExecutionResponse, type LogLine as LogLineAnswer } from '../../schemas/code.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions, CodeResult, LogLine, RunCode } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import { callOptions } from '../http/memory.ts'
import { operation } from '../http/operation.ts'
import { timestamp } from '../http/timestamp.ts'
import type { MemoryBudget } from '../lib/memory-budget.ts'
import { USAGE } from './examples.ts'
import { usageAnswer } from './execution-answer.ts'
import { RUN_ERRORS, SandboxParams } from './sandbox-id.ts'

export interface CodeRoutesOptions {
  code: { run(id: string, code: RunCode, options: CallOptions): Promise<CodeResult> }
  memory: MemoryBudget
}

/** Of the contract, for an absent timeout and for 0. */
const DEFAULT_TIMEOUT_SECONDS = 300

export async function codeRoutes(app: TypedApp, { code, memory }: CodeRoutesOptions): Promise<void> {
  app.post('/sandboxes/:sandbox_id/code', { schema: runCode }, async ({ params, body }, reply) =>
    codeAnswer(await code.run(params.sandbox_id, toCode(body), callOptions(reply, memory))),
  )
}

function toCode(body: CodeExecution): RunCode {
  return {
    code: body.code,
    language: body.language?.trim().toLowerCase() || undefined,
    cwd: body.cwd || undefined,
    envs: body.envs,
    timeoutMs: Math.ceil((body.timeout || DEFAULT_TIMEOUT_SECONDS) * 1000),
    user: body.user,
    outputLimitBytes: body.output_limit_bytes,
  }
}

function codeAnswer(result: CodeResult): ExecutionResponse {
  return {
    text: null,
    logs: { stdout: result.logs.stdout.map(lineAnswer), stderr: result.logs.stderr.map(lineAnswer) },
    results: [],
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
}

const runCode = operation({
  operationId: 'runCode',
  tag: 'execution',
  summary: 'Run code',
  description:
    'Runs the program as a file with the interpreter that the image has for its language, and answers when it has ended. An error of the program is an answer (`error`), not an error of this API. If the client leaves, the run and all it started are killed. Counts as use of the sandbox.',
  params: SandboxParams,
  body: Ref(CodeExecution),
  requestExamples: {
    python: { code: 'print(6 * 7)' },
    javascript: { code: 'console.log(process.env.NAME)', language: 'javascript', envs: { NAME: 'k2' }, timeout: 10 },
  },
  answer: Ref(ExecutionResponse),
  answerExamples: {
    printed: RUN,
    failed: {
      ...RUN,
      logs: { stdout: [], stderr: [] },
      error: {
        name: 'ZeroDivisionError',
        value: 'division by zero',
        traceback: [
          'Traceback (most recent call last):',
          '  File "main.py", line 1, in <module>',
          'ZeroDivisionError: division by zero',
        ],
      },
      exit_code: 1,
    },
  },
  errors: [...RUN_ERRORS, 'LANGUAGE_UNAVAILABLE', 'PERMISSION_DENIED'],
})

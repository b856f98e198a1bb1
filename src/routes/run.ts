import { RunRequest, RunResponse } from '../../schemas/run.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { RunOnce, RunOnceResult } from '../core/batch/runs.ts'
import type { CallOptions } from '../core/model.ts'
import { SandboxError } from '../errors.ts'
import type { TypedApp } from '../http/app-type.ts'
import { callOptions } from '../http/memory.ts'
import { operation } from '../http/operation.ts'
import type { MemoryBudget } from '../lib/memory-budget.ts'
import { ID, USAGE } from './examples.ts'
import { toMounts } from './mounts.ts'
import { toResources } from './resources.ts'
import { CREATE_ERRORS, RUN_ERRORS } from './sandbox-id.ts'
import { fileReadAnswer, stepAnswer, toWrite } from './step-answer.ts'

export interface RunRoutesOptions {
  runs: { run(request: RunOnce, options: CallOptions): Promise<RunOnceResult> }
  bodyLimitBytes: number
  memory: MemoryBudget
}

const DEFAULT_TIMEOUT_SECONDS = 300

export async function runRoutes(app: TypedApp, { runs, bodyLimitBytes, memory }: RunRoutesOptions): Promise<void> {
  app.post('/run', { schema: runOnce, bodyLimit: bodyLimitBytes }, async ({ body }, reply) => {
    const { result, times, files, missing, sandboxId, warm } = await runs.run(toRun(body), callOptions(reply, memory))
    const { command, code } = stepAnswer(result, 0, body.encoding ?? 'utf-8')
    const { create, run, total } = times
    return {
      command,
      code,
      files: files.map(fileReadAnswer),
      missing,
      sandbox_id: sandboxId,
      warm,
      timings: { create: create / 1000, run: run / 1000, total: total / 1000 },
    }
  })
}

function toRun(body: RunRequest): RunOnce {
  return {
    sandbox: {
      template: body.template || undefined,
      cwd: body.cwd || undefined,
      envs: body.envs,
      user: body.user,
      metadata: body.metadata,
      network: body.network,
      volumes: toMounts(body.volumes),
      resources: toResources(body.resources ?? {}),
    },
    files: (body.files ?? []).map(toWrite),
    step: toRunStep(body),
    outputs: body.outputs ?? [],
  }
}

function toRunStep({ command, code, language, timeout, encoding, ...body }: RunRequest): RunOnce['step'] {
  const timeoutMs = Math.ceil((timeout || DEFAULT_TIMEOUT_SECONDS) * 1000)
  const outputLimitBytes = body.output_limit_bytes
  if (command !== undefined && code === undefined) {
    if (language !== undefined) throw new SandboxError('INVALID_REQUEST', '`language` is for `code`; leave it out')
    return { type: 'command', command: { command, timeoutMs, outputLimitBytes, markCuts: encoding !== 'base64' } }
  }
  if (code === undefined || command !== undefined)
    throw new SandboxError('INVALID_REQUEST', 'give either `command`, for the shell, or `code`, with its `language`')
  return {
    type: 'code',
    code: { code, language: language?.trim().toLowerCase() || undefined, timeoutMs, outputLimitBytes },
  }
}

const runOnce = operation({
  operationId: 'runOnce',
  tag: 'execution',
  summary: 'Run something in a sandbox of its own',
  description:
    'Makes a sandbox (from a pool where one fits), writes `files`, runs a command or code, gives back the files of `outputs`, and deletes the sandbox: in one call. A program that fails is an answer, not an error. Whatever happens, the sandbox goes: also when the client leaves, which ends what runs.',
  body: Ref(RunRequest),
  requestExamples: {
    command: { command: 'wc -l < data.txt', files: [{ path: 'data.txt', content: 'a\nb\n' }] },
    code: {
      code: 'open("out/result.txt", "w").write(str(6 * 7))',
      files: [{ path: 'out/.keep', content: '' }],
      outputs: ['out/*.txt'],
      network: 'none',
    },
  },
  answer: Ref(RunResponse),
  answerExamples: {
    command: {
      command: {
        stdout: '2\n',
        stderr: '',
        exit_code: 0,
        execution_time: 0.003,
        reason: 'exited',
        signal: null,
        usage: USAGE,
        truncated: false,
        encoding: 'utf-8',
        process_id: 'p5f0c8a1b2d3e4f607182',
      },
      code: null,
      files: [],
      missing: [],
      sandbox_id: ID,
      warm: true,
      timings: { create: 0.002, run: 0.005, total: 0.007 },
    },
  },
  errors: [
    'INVALID_REQUEST',
    ...CREATE_ERRORS,
    ...RUN_ERRORS,
    'PATH_IS_DIRECTORY',
    'PATH_NOT_DIRECTORY',
    'PATH_NOT_REGULAR_FILE',
    'PERMISSION_DENIED',
    'FILE_TOO_LARGE',
    'CONTEXT_LIMIT_REACHED',
  ],
})

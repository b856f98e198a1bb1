import { BatchRequest, BatchResponse } from '../../schemas/batch.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { BatchOptions } from '../core/batch/batches.ts'
import type { Step, StepResult } from '../core/batch/step.ts'
import type { TypedApp } from '../http/app-type.ts'
import { callOptions } from '../http/memory.ts'
import { operation } from '../http/operation.ts'
import type { MemoryBudget } from '../lib/memory-budget.ts'
import { RUN_ERRORS, SandboxParams } from './sandbox-id.ts'
import { stepAnswer, toStep } from './step-answer.ts'

export interface BatchRoutesOptions {
  batches: { run(id: string, steps: Step[], options: BatchOptions): Promise<StepResult[]> }
  bodyLimitBytes: number
  memory: MemoryBudget
}

export async function batchRoutes(
  app: TypedApp,
  { batches, bodyLimitBytes, memory }: BatchRoutesOptions,
): Promise<void> {
  const route = { schema: runBatch, bodyLimit: bodyLimitBytes }
  app.post('/sandboxes/:sandbox_id/batch', route, async ({ params, body }, reply) => {
    const { steps, stop_on_error: stopOnError = true } = body
    const options = { ...callOptions(reply, memory), stopOnError }
    const results = await batches.run(params.sandbox_id, steps.map(toStep), options)
    const ok = results.length === steps.length && results.every((result) => result.ok)
    const encodingOf = (step: number) => steps[step]?.command?.encoding ?? 'utf-8'
    return { ok, results: results.map((result, step) => stepAnswer(result, step, encodingOf(step))) }
  })
}

const NO_RESULT = { error: null, command: null, code: null, files: null }

const runBatch = operation({
  operationId: 'runBatch',
  tag: 'execution',
  summary: 'Do several things in a sandbox',
  description:
    'Writes, reads and deletes files, runs commands and code, one step after the other, in one call. The answer has a result for each step that was begun. If the client leaves, the step under way is ended as it would be alone, and those after it are not begun; what was done stays. Counts as use of the sandbox.',
  params: SandboxParams,
  body: Ref(BatchRequest),
  requestExamples: {
    build: {
      steps: [
        { write: { path: 'src/main.c', content: 'int main() { return 0; }\n' } },
        { command: { command: 'cc -o main src/main.c && ./main' } },
        { read: { path: 'main' } },
      ],
    },
  },
  answer: Ref(BatchResponse),
  answerExamples: {
    stopped: {
      ok: false,
      results: [
        { step: 0, ok: true, ...NO_RESULT },
        { step: 1, ok: false, ...NO_RESULT, error: { code: 'FILE_NOT_FOUND', detail: 'no file or folder a.txt' } },
      ],
    },
  },
  errors: [...RUN_ERRORS, 'SERVER_BUSY'],
})

import type { CallOptions, CreateSandbox, Sandbox } from '../model.ts'
import type { Batches } from './batches.ts'
import type { Step, StepFile, StepResult } from './step.ts'

export interface RunOnce {
  sandbox: CreateSandbox
  /** Written before. */
  files: Extract<Step, { type: 'write' }>[]
  step: Extract<Step, { type: 'command' | 'code' }>
  /** Read afterwards, however it ended: paths and patterns. */
  outputs: string[]
}

export interface RunOnceResult {
  sandboxId: string
  warm: boolean
  result: StepResult
  files: StepFile[]
  missing: string[]
  /** Milliseconds. `total`: of all, the removal not included. */
  times: { create: number; run: number; total: number }
}

export interface RunsParts {
  sandboxes: {
    create(request: CreateSandbox, options: CallOptions): Promise<Sandbox>
    remove(id: string): void
  }
  batches: Batches
}

/** A sandbox for one thing: made, used, and gone. */
export class Runs {
  readonly #parts: RunsParts

  constructor(parts: RunsParts) {
    this.#parts = parts
  }

  /** Whatever happens, the sandbox is deleted: also when the client leaves, or at the next start after a crash. */
  async run({ sandbox, files, step, outputs }: RunOnce, options: CallOptions): Promise<RunOnceResult> {
    const { sandboxes, batches } = this.#parts
    const began = performance.now()
    const { id, warm } = await sandboxes.create({ ...sandbox, disposable: true }, options)
    try {
      const made = performance.now()
      await batches.write(id, files, options)
      const [result] = await batches.run(id, [step], { ...options, stopOnError: true })
      if (result === undefined || result.type === 'failed') throw result?.error
      const read = await batches.read(id, outputs, options)
      const now = performance.now()
      return {
        sandboxId: id,
        warm,
        result,
        ...read,
        times: { create: made - began, run: now - made, total: now - began },
      }
    } finally {
      sandboxes.remove(id)
    }
  }
}

import type { SandboxError } from '../../errors.ts'
import type { CodeResult, CommandResult, RunCode, RunCommand } from '../model.ts'

/** One thing to do in a sandbox. Paths that do not start with `/` are below its cwd. */
export type Step =
  | { type: 'write'; path: string; content: Uint8Array; mode?: number | undefined }
  /** A file, or with `*`, `?`, `[` or `{` in it all files that match. */
  | { type: 'read'; path: string }
  | { type: 'delete'; path: string }
  | { type: 'command'; command: RunCommand }
  | { type: 'code'; code: RunCode }

export interface StepFile {
  /** As asked for, or where the pattern found it. */
  path: string
  content: Uint8Array
}

/** What a step gave. `ok` false: it failed, or what it ran did. */
export type StepResult = { ok: boolean } & (
  | { type: 'write' | 'delete' }
  | { type: 'read'; files: StepFile[] }
  | { type: 'command'; result: CommandResult }
  | { type: 'code'; result: CodeResult }
  | { type: 'failed'; error: SandboxError }
)

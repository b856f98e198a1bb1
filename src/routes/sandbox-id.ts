import { ContextId, ProcessId, SandboxId } from '../../schemas/common.ts'
import { Type } from '../../schemas/typebox.ts'
import type { ErrorCode } from '../errors.ts'

/** What is no id at all answers as an unknown one: see `x-error` of the schema. */
export const SandboxParams = Type.Object({ sandbox_id: SandboxId })
export const ContextParams = Type.Object({ sandbox_id: SandboxId, context_id: ContextId })
export const ProcessParams = Type.Object({ sandbox_id: SandboxId, process_id: ProcessId })

/** Failures of everything that reaches into a sandbox. */
export const INSIDE_ERRORS: ErrorCode[] = [
  'SANDBOX_NOT_FOUND',
  'SANDBOX_STATE_CONFLICT',
  'ENGINE_UNAVAILABLE',
  'ENGINE_TIMEOUT',
  'AGENT_UNAVAILABLE',
]

/** Failures of everything that starts a process. */
export const RUN_ERRORS: ErrorCode[] = [
  ...INSIDE_ERRORS,
  'CWD_NOT_FOUND',
  'CWD_NOT_A_DIRECTORY',
  'CWD_NOT_ACCESSIBLE',
  'COMMAND_NOT_FOUND',
  'COMMAND_NOT_EXECUTABLE',
  'USER_NOT_FOUND',
  'TOO_MANY_PROCESSES',
  'NO_SPACE_IN_SANDBOX',
]

/** Failures of everything that makes a sandbox. */
export const CREATE_ERRORS: ErrorCode[] = [
  'TEMPLATE_INVALID',
  'TEMPLATE_NOT_FOUND',
  'TEMPLATE_NOT_READY',
  'USER_NOT_FOUND',
  'CWD_NOT_A_DIRECTORY',
  'CWD_NOT_ACCESSIBLE',
  'NOT_SUPPORTED_BY_ENGINE',
  'VOLUME_NOT_FOUND',
  'VOLUME_FULL',
  'LANGUAGE_UNAVAILABLE',
  'SANDBOX_STATE_CONFLICT',
  'SANDBOX_START_FAILED',
  'SANDBOX_LIMIT_REACHED',
  'SERVER_BUSY',
  'ENGINE_UNAVAILABLE',
  'AGENT_UNAVAILABLE',
  'ENGINE_TIMEOUT',
  'DISK_FULL',
]

import { isSandboxError, SandboxError } from '../errors.ts'

/** Reason of a sandbox whose container the engine does not have any more. */
export const REMOVED_OUTSIDE = 'its container was removed outside of the API; delete it and create another'

/** What the engine says of a container that is gone, as a caller who knows the sandbox should hear it. Other errors pass. */
export function explainRemoval(error: unknown): unknown {
  if (!isSandboxError(error, 'SANDBOX_NOT_FOUND')) return error
  return new SandboxError('SANDBOX_STATE_CONFLICT', `the sandbox is failed (${REMOVED_OUTSIDE})`, { cause: error })
}

/** The same, for `.catch()` of an engine's call. */
export function throwExplained(error: unknown): never {
  throw explainRemoval(error)
}

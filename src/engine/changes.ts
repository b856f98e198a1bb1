import { SandboxError } from '../errors.ts'
import type { FileChange } from './types.ts'

/** The order in which changes are told, so that pages go on where the one before ended: that of JavaScript's strings. */
export function byPath(a: Pick<FileChange, 'path'>, b: Pick<FileChange, 'path'>): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0
}

export function tooManyChanges(): SandboxError {
  return new SandboxError(
    'FILE_TOO_LARGE',
    'more files have changed than can be told; look for them with a command, such as find',
  )
}

import { posix } from 'node:path'
import { SandboxError } from '../errors.ts'

/** An absolute path for the agent: relative ones start in the sandbox's cwd. `..` and links are resolved inside, with the user's rights. */
export function pathInside(cwd: string, path: string): string {
  if (path.includes('\0')) throw new SandboxError('INVALID_REQUEST', 'a path cannot contain a NUL character')
  if (posix.isAbsolute(path)) return path
  // Not joined by text: `link/..` is for the sandbox's kernel to resolve.
  return `${cwd}/${path}`
}

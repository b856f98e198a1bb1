import { SandboxError } from '../errors.ts'
import type { ProgramExecution } from './program-execution.ts'

/** Linux takes at most 128 KiB as one argument (MAX_ARG_STRLEN), its NUL included. */
const LONGEST_ARGUMENT_BYTES = 128 * 1024 - 1

/** What runs a line (or script) of shell; a long one as a file. */
export function shellCommand(command: string): Pick<ProgramExecution, 'argv' | 'script'> {
  if (Buffer.byteLength(command) <= LONGEST_ARGUMENT_BYTES) return { argv: ['/bin/sh', '-c', command] }
  return { argv: ['/bin/sh', '{script}'], script: { name: 'command.sh', content: command } }
}

/** For the failure of one: COMMAND_NOT_FOUND is about the shell then. */
export function explainMissingShell(error: unknown): never {
  if (error instanceof SandboxError && error.code === 'COMMAND_NOT_FOUND') {
    throw new SandboxError(
      'COMMAND_NOT_FOUND',
      'the image of this sandbox has no /bin/sh, so it cannot run shell commands; use an image with a shell',
      { cause: error },
    )
  }
  throw error
}

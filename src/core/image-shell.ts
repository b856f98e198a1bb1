import { isSandboxError } from '../errors.ts'
import { OutputBuffer } from '../lib/output-buffer.ts'
import { decodeText } from '../lib/text.ts'
import type { Executions } from './executions.ts'
import type { CallOptions } from './model.ts'

const LIMIT_MS = 10_000
const OUTPUT_BYTES = 512 * 1024

/** Asks a sandbox about its image, as its user: the lines that a script prints, none where there is no shell. What it says is not to be trusted. */
export async function askImage(
  executions: Executions,
  id: string,
  { script, args = [] }: { script: string; args?: string[] },
  { signal }: CallOptions,
): Promise<string[]> {
  const output = new OutputBuffer({ limitBytes: OUTPUT_BYTES })
  try {
    await executions.run(
      id,
      { argv: ['/bin/sh', '-c', script, 'sh', ...args], cwd: '/', timeoutMs: LIMIT_MS },
      {
        signal,
        onOutput: (event) => {
          if (event.type === 'stdout') output.write(event.bytes)
        },
      },
    )
  } catch (error) {
    if (isSandboxError(error, 'COMMAND_NOT_FOUND')) return []
    throw error
  }
  return decodeText(output.bytes({ mark: false })).split('\n')
}

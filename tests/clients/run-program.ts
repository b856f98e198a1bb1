import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

interface RunOptions {
  cwd: string
  /** Milliseconds; then it is killed. */
  timeoutMs: number
}

/** Standard output of a program that ends with 0; an error with all that it printed when it does not. */
export async function runProgram(file: string, args: string[], { cwd, timeoutMs }: RunOptions): Promise<string> {
  try {
    const { stdout } = await run(file, args, {
      cwd,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: 64 * 1024 * 1024,
    })
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as { stdout?: string; stderr?: string; message: string }
    throw new Error(`${message}\n${stdout}\n${stderr}`)
  }
}

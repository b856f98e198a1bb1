import { spawn } from 'node:child_process'
import type { Readable } from 'node:stream'

export interface Outcome {
  /** Null when it could not be started, was killed, or took longer than its deadline. */
  exitCode: number | null
  stdout: string
  /** What it wrote to standard error, or why it could not be started. */
  stderr: string
}

export interface RunOptions {
  timeoutMs?: number
  env?: NodeJS.ProcessEnv
  cwd?: string
}

/** Runs a program without a shell, with no standard input, and waits. Never throws: a missing program is an outcome as well. */
export async function runProgram(argv: string[], { timeoutMs = 60_000, env, cwd }: RunOptions = {}): Promise<Outcome> {
  const [program = '', ...args] = argv
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: env ?? process.env,
    ...(cwd ? { cwd } : {}),
    // Not spawn's own `timeout`: its timer stays when the program could not be started, and holds this process.
    signal: AbortSignal.timeout(timeoutMs),
    killSignal: 'SIGKILL',
  })
  const ended = new Promise<{ exitCode: number | null; fault: string }>((resolve) => {
    child.on('error', (error) => {
      // What it started itself may live on and hold the pipes: nobody waits for that.
      child.stdout.destroy()
      child.stderr.destroy()
      const late = (error as NodeJS.ErrnoException).code === 'ABORT_ERR'
      resolve({ exitCode: null, fault: late ? `${program} took longer than ${timeoutMs / 1000} s` : error.message })
    })
    child.on('close', (exitCode, signal) => resolve({ exitCode, fault: signal ? `${program} ended by ${signal}` : '' }))
  })
  const [stdout, stderr, { exitCode, fault }] = await Promise.all([collect(child.stdout), collect(child.stderr), ended])
  return { exitCode, stdout, stderr: fault ? `${stderr}${fault}\n` : stderr }
}

/** All that came, also when the stream was destroyed half-way. */
async function collect(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of stream) chunks.push(chunk as Buffer)
  } catch {
    // destroyed above; the outcome says why
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The words in front of a command that make it run as root: nothing, or passwordless sudo. Null: this user can't. */
export async function asRoot(): Promise<string[] | null> {
  if (process.getuid?.() === 0) return []
  const { exitCode } = await runProgram(['sudo', '-n', 'true'], { timeoutMs: 5_000 })
  return exitCode === 0 ? ['sudo', '-n'] : null
}

/** True when the program is on the PATH. */
export async function hasProgram(name: string): Promise<boolean> {
  const { exitCode } = await runProgram(['sh', '-c', `command -v -- "$1"`, 'sh', name], { timeoutMs: 5_000 })
  return exitCode === 0
}

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { SandboxError } from '../../errors.ts'
import { startTimeOf } from './process-tree.ts'
import type { Run, SandboxFolder } from './sandbox-folder.ts'

const OUTPUT_LIMIT_BYTES = 8192

/** A started agent. `ended` resolves with its exit code, 128 + n for signal n. */
export interface StartedAgent {
  run: Run
  ended: Promise<number>
}

export function newToken(): string {
  return randomBytes(32).toString('hex')
}

/**
 * Starts the agent of a sandbox. It belongs to nobody's terminal and outlives this server, as a container would. What it prints
 * goes to its log, begun anew: not to a pipe, which would end it together with the server.
 */
export async function spawnAgent(agentBinary: string, folder: SandboxFolder, token: string): Promise<StartedAgent> {
  await using log = await open(folder.logPath, 'w', 0o600)
  const child = spawn(agentBinary, ['serve', '--dial', folder.socketPath], {
    cwd: folder.home,
    env: { K2_AGENT_TOKEN: token },
    stdio: ['ignore', log.fd, log.fd],
    detached: true,
  })
  const ended = Promise.withResolvers<number>()
  child.once('exit', (code, signal) => ended.resolve(code ?? 128 + (SIGNAL_NUMBERS.get(signal) ?? 0)))
  child.unref()
  try {
    await once(child, 'spawn')
  } catch (error) {
    throw new SandboxError('SANDBOX_START_FAILED', 'the agent could not be started; run `npm run setup`', {
      cause: error,
    })
  }
  const pid = child.pid ?? 0
  return { run: { pid, startTime: startTimeOf(pid) ?? '', token }, ended: ended.promise }
}

const SIGNAL_NUMBERS = new Map<NodeJS.Signals | null, number>([
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGABRT', 6],
  ['SIGKILL', 9],
  ['SIGSEGV', 11],
  ['SIGTERM', 15],
])

/** The run still lives: its pid was not given to another process. */
export function isAlive(run: Run | null): run is Run {
  return run !== null && startTimeOf(run.pid) === run.startTime
}

/** The last lines that the agent printed. */
export async function lastOutput(folder: SandboxFolder): Promise<string> {
  await using log = await open(folder.logPath, 'r')
  const { size } = await log.stat()
  const bytes = Buffer.alloc(Math.min(size, OUTPUT_LIMIT_BYTES))
  const { bytesRead } = await log.read(bytes, 0, bytes.length, size - bytes.length)
  return bytes.toString('utf8', 0, bytesRead).trim()
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { AgentClient } from '../agent/client.ts'
import { runToEnd } from '../agent/run-to-end.ts'
import { SandboxError } from '../errors.ts'
import { deadline } from '../lib/deadline.ts'
import { newProcessId } from '../lib/ids.ts'
import type { LiveSandboxes } from './live.ts'
import type { CallOptions } from './model.ts'
import { toProcess } from './program-execution.ts'
import type { SandboxRecord } from './record.ts'
import { shellCommand } from './shell-command.ts'
import type { Ready } from './templates/model.ts'
import { programOf } from './templates/program.ts'

/** Id and tag of the process: its output is read as that of any other. */
const START_ID = 'start-command'
/** How long what has ended can still be asked for. */
const KEPT_MS = 3_600_000
const TAIL_BYTES = 4000
const PORT_WAIT_MS = 500
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1000

/**
 * Starts what the sandbox's template starts, and waits until that is ready. SANDBOX_START_FAILED, with the last that it printed,
 * when it is not within its time or ends with an error before.
 */
export async function startUp(live: LiveSandboxes, record: SandboxRecord, { signal }: CallOptions): Promise<void> {
  const { startup } = record
  if (startup === null) return
  const { command, ready } = startup
  const client = await live.client(record, { signal })
  if (command !== null) {
    const start = { ...toProcess(record, START_ID, programOf(command)), label: START_ID, keepMs: KEPT_MS }
    await client.startDetached(start, { signal })
  }
  if (ready === null) return
  const late = () => notReady(`was not ready within ${ready.timeoutSeconds} s (${wayOf(ready)})`)
  using limit = deadline(ready.timeoutSeconds * 1000, late, signal)
  const parts = { live, record, client, started: command !== null }
  try {
    await untilReady(parts, ready, { signal: limit.signal })
  } catch (error) {
    if (signal?.aborted || command === null || !(error instanceof SandboxError)) throw error
    throw new SandboxError(error.code, error.message, {
      cause: error.cause,
      details: { output: await outputOf(client) },
    })
  }
}

interface Starting {
  live: LiveSandboxes
  record: SandboxRecord
  client: AgentClient
  started: boolean
}

async function untilReady(parts: Starting, ready: Ready, { signal }: { signal: AbortSignal }): Promise<void> {
  let pauseMs = FIRST_PAUSE_MS
  for (;;) {
    if (await isReady(parts, ready, { signal })) return
    if (parts.started) {
      const { state, exitCode, reason } = await parts.client.getProcess(START_ID, { signal })
      // One that exits with 0 has started something in the background.
      if (state === 'exited' && (exitCode !== 0 || reason !== 'exited'))
        throw notReady(`ended with exit code ${exitCode} before it was ready`)
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted())
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)
  }
}

async function isReady(
  { live, record, client }: Starting,
  { command, port }: Ready,
  { signal }: { signal: AbortSignal },
): Promise<boolean> {
  if (port !== undefined) return (await client.waitForPort(port, PORT_WAIT_MS, { signal })).open
  const id = newProcessId()
  const look = toProcess(record, id, shellCommand(command ?? 'true'))
  const { exitCode, reason } = await runToEnd(live.of(record).link, look, { signal, onOutput: () => {} })
  return exitCode === 0 && reason === 'exited'
}

async function outputOf(client: AgentClient): Promise<string> {
  const chunks: Uint8Array[] = []
  const signal = AbortSignal.timeout(2000)
  try {
    const { outputBytes } = await client.getProcess(START_ID, { signal })
    const offset = Math.max(0, outputBytes - TAIL_BYTES)
    for await (const event of await client.followOutput(START_ID, offset, { signal, follow: false }))
      if (event.type === 'stdout' || event.type === 'stderr') chunks.push(event.bytes)
  } catch {
    // What is there is enough to tell.
  }
  return Buffer.concat(chunks).toString('utf8')
}

function notReady(fact: string): SandboxError {
  return new SandboxError('SANDBOX_START_FAILED', `what the template starts ${fact}`)
}

function wayOf({ command, port }: Ready): string {
  return port === undefined ? `its command: ${command}` : `nothing listens on port ${port}`
}

import type { KeepAlive } from './keep-alive.ts'
import type { LiveSandboxes } from './live.ts'
import type { Log } from './log.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'

const LIMIT_MS = 15_000
const AT_ONCE = 16

export interface TakeOver {
  registry: Registry
  live: LiveSandboxes
  keepAlive: KeepAlive
  log: Log
}

/**
 * After a restart of the server: opens the links to the agents of all running sandboxes, in the background, so that the first call
 * does not wait for it, and holds again the sandboxes that a process keeps alive. What is not reached is tried again by the first call.
 */
export function takeOver(parts: TakeOver): void {
  const waiting = parts.registry.all().filter((record) => record.status === 'running' && !record.stopping)
  const next = async (): Promise<void> => {
    for (let record = waiting.shift(); record !== undefined; record = waiting.shift()) await reach(parts, record)
  }
  for (let count = 0; count < AT_ONCE; count++) void next()
}

/** Opens the link to one that runs already, and holds it again for the processes that keep it alive. Never rejects. */
export async function reach({ registry, live, keepAlive, log }: TakeOver, record: SandboxRecord): Promise<void> {
  try {
    const signal = AbortSignal.timeout(LIMIT_MS)
    const client = await live.client(record, { signal })
    const { uid, gid } = record.identity ?? (await client.prepare(record, { signal }))
    if (record.identity === null) registry.update(record.id, { identity: { uid, gid } })
    if (client.greeting.processes > 0) {
      for (const process of await client.listProcesses({ signal })) {
        if (process.state === 'running' && process.keepAlive) keepAlive.hold(record, process.id)
      }
    }
    log.info({ sandbox: record.id, processes: client.greeting.processes }, 'took over a running sandbox')
  } catch (err) {
    log.warn({ sandbox: record.id, err }, 'did not reach the agent of a running sandbox yet')
  }
}

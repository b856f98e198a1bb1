import type { Engine, Network } from '../engine/types.ts'
import { SandboxError } from '../errors.ts'
import type { Log } from './log.ts'
import type { CallOptions } from './model.ts'
import type { SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import { throwExplained } from './removed-outside.ts'

interface ChangeNetworkParts {
  engine: Engine
  registry: Registry
}

/**
 * Another network, at once and for later starts. Written down first, so that a crash in between leaves it to the next start of
 * server or sandbox. A list of what may be reached (egress) ends with it. The caller holds the sandbox's lock.
 */
export async function changeNetwork(
  { engine, registry }: ChangeNetworkParts,
  { id, ref, status, network: before, egress }: SandboxRecord,
  network: Network,
): Promise<void> {
  if (network === before) return
  if (ref === null || status === 'failed')
    throw new SandboxError('SANDBOX_STATE_CONFLICT', `the sandbox is ${status}; its network can't be changed now`)
  registry.update(id, { network, networkMoved: true, egress: null })
  try {
    // Without the caller's signal: what is half changed is of no use to anybody.
    await engine.setNetwork(id, ref, network)
  } catch (error) {
    // One that was to be closed stays so for all later starts; one that was to be opened does not get it by one.
    if (network === 'internet') registry.update(id, { network: before, egress })
    return throwExplained(error)
  }
}

/** After a start of the server: what a crash may have cut off. The caller holds the lock. Never rejects. */
export async function settleNetwork(
  { engine, log }: ChangeNetworkParts & { log: Log },
  { id, ref, network, networkMoved }: SandboxRecord,
  { signal }: CallOptions,
): Promise<void> {
  if (!networkMoved || ref === null) return
  try {
    await engine.setNetwork(id, ref, network, { signal })
  } catch (err) {
    log.error({ sandbox: id, network, err }, 'a change of the network of a sandbox could not be finished')
  }
}

import type { Network, Resources } from '../../engine/types.ts'
import type { SandboxRecord } from '../record.ts'

/** What a pool keeps ready. */
export interface PoolDefinition {
  name: string
  /** An image, as a create would name it. */
  template: string
  /** How many wait; 0: none, and those that do are removed. */
  size: number
  network: Network
  resources: Resources
  /** Languages whose own contexts run when it is ready. */
  prestart: string[]
}

/** What is absent gets the server's default. */
export interface PoolRequest {
  template?: string | undefined
  size: number
  network?: Network | undefined
  resources?: Partial<Resources> | undefined
  prestart?: string[] | undefined
}

/** A pool as the API shows it. Counts are since the start of the server. */
export interface PoolState extends PoolDefinition {
  /** Waiting, each able to be given away now. */
  ready: number
  /** Being made. */
  warming: number
  /** Creates that it served. */
  claimed: number
  /** Creates that it could have served and had nothing ready for. */
  missed: number
  /** Nobody has asked for so long that it keeps none until somebody does. */
  drained: boolean
  /** Why the last try to make one failed; null when it did not. */
  fault: string | null
}

/** Those that wait for one of them can wait for the other. */
export function sameContainers(a: PoolDefinition, b: PoolDefinition): boolean {
  const key = ({ template, network, resources, prestart }: PoolDefinition) =>
    JSON.stringify([template, network, limitsOf(resources), prestart])
  return key(a) === key(b)
}

/** What its pool's definition says now, it was made for: another process may have had other settings. */
export function isMadeFor(
  { template, network, resources, volumes, pooled }: SandboxRecord,
  definition: PoolDefinition,
): boolean {
  const { name, prestart } = definition
  return (
    pooled?.pool === name &&
    pooled.prestarted.every((language) => prestart.includes(language)) &&
    volumes.length === 0 &&
    sameContainers({ ...definition, template, network, resources }, definition)
  )
}

function limitsOf({ cpus, memoryMb, pids, diskMb }: Resources): unknown[] {
  return [cpus, memoryMb, pids, diskMb]
}

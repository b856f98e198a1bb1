import { changeResources } from '../change.ts'
import type { Contexts } from '../contexts.ts'
import { cwdNotAccessible, decided } from '../launch.ts'
import type { CallOptions } from '../model.ts'
import type { Pooled, SandboxRecord } from '../record.ts'
import type { StartParts } from '../start.ts'
import { languagesOf } from './fill.ts'

/** What a container has to be changed in for what is asked; all false: only the record differs. */
export interface Differences {
  /** Another user or working folder: the agent must know it. */
  place: boolean
  resources: boolean
  /** Contexts that were started ahead would not be as asked. */
  contexts: boolean
}

export function differences(waiting: SandboxRecord, pooled: Pooled, wanted: SandboxRecord): Differences {
  const { cpus, memoryMb, pids } = waiting.resources
  const asked = wanted.resources
  const place = pooled.asked.cwd !== wanted.cwd || pooled.asked.user !== wanted.user
  return {
    place,
    resources: cpus !== asked.cpus || memoryMb !== asked.memoryMb || pids !== asked.pids,
    contexts: pooled.prestarted.length > 0 && (place || wanted.egress !== null || Object.keys(wanted.envs).length > 0),
  }
}

/**
 * Makes one that was claimed what its record should say. It is its caller's already, and `creating`: what fails here is removed
 * with it. USER_NOT_FOUND, CWD_*, and whatever the engine says to other limits.
 */
export async function adapt(
  parts: StartParts & { contexts: Contexts },
  record: SandboxRecord,
  pooled: Pooled,
  wanted: SandboxRecord,
  differs: Differences,
  { signal }: CallOptions,
): Promise<void> {
  const { live, registry, contexts } = parts
  if (differs.contexts) {
    const languages = languagesOf(pooled.prestarted)
    await Promise.all(languages.map((language) => contexts.dropPrestarted(record, language, { signal })))
  }
  if (differs.place) {
    const place = decided(wanted, pooled.fixed)
    const client = await live.client(record, { signal })
    const { uid, gid, cwdAccessible } = await client.prepare(place, { signal })
    if (!cwdAccessible) throw cwdNotAccessible(place)
    registry.update(record.id, { ...place, identity: { uid, gid } })
  }
  if (differs.resources) await changeResources(parts, record, wanted.resources, { signal })
}

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CallOptions, Leftovers } from '../types.ts'
import type { AgentBinary } from './agent-binary.ts'
import { removeOldAgentVolumes } from './agent-volume.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import type { DialLinks } from './dial-links.ts'
import { claimedIds, listContainers } from './inspect.ts'
import { isSandboxId, LABEL, readLabels } from './labels.ts'
import { removeContainer } from './lifecycle.ts'

/** At open, when nothing of this process is under way: probes and fillers of a start that crashed, and host folders that no container uses. */
export async function removeLeftovers(context: Context, links: DialLinks, call: CallOptions): Promise<void> {
  for (const { identity, ref } of await listContainers(context, call)) {
    if (identity.kind !== 'sandbox') await removeContainer(context, identity.id, ref, call)
  }
  await removeFolders(context, links, call)
}

/** Looks that must have seen a helper before: it is nothing that is under way then. */
const LOOKS = 2

/** The same every so often, a minute and more apart. */
export class LeftoverSweep {
  readonly #context: Context
  readonly #links: DialLinks
  /** How often each was seen. */
  #seen = new Map<string, number>()

  constructor(context: Context, links: DialLinks) {
    this.#context = context
    this.#links = links
  }

  async remove(agent: AgentBinary, call: CallOptions): Promise<Leftovers> {
    const context = this.#context
    const helpers = (await listContainers(context, call)).filter(({ identity }) => identity.kind !== 'sandbox')
    const old = helpers.filter(({ ref }) => (this.#seen.get(ref) ?? 0) >= LOOKS)
    this.#seen = new Map(helpers.map(({ ref }) => [ref, (this.#seen.get(ref) ?? 0) + 1]))
    for (const { identity, ref } of old) await removeContainer(context, identity.id, ref, call)
    return {
      helpers: old.length,
      linkFolders: await removeFolders(context, this.#links, call),
      agentVolumes: await removeOldAgentVolumes(context, agent, call),
      strangers: await countStrangers(context, call),
    }
  }
}

/** By claim: a start with the wrong secret must not cut the links of sandboxes that the right one knows. */
async function removeFolders(context: Context, links: DialLinks, call: CallOptions): Promise<number> {
  const used = await claimedIds(context, call)
  const folders = await readdir(join(context.options.dataDir, 'run')).catch(() => [])
  const unused = folders.filter((id) => isSandboxId(id) && !used.has(id) && !links.has(id))
  for (const id of unused) await links.remove(id)
  return unused.length
}

/** Containers that carry this instance's name without its signature: of somebody else, or of a secret that was lost. */
export async function countStrangers({ docker, options, timeouts }: Context, { signal }: CallOptions): Promise<number> {
  const label = [`${LABEL.instance}=${options.instance}`]
  const infos = await engineCall(
    'container.read',
    (abortSignal) => docker.listContainers({ all: true, filters: { label }, abortSignal }),
    { signal, timeoutMs: timeouts.callMs },
  )
  return infos.filter(({ Labels }) => readLabels(options.secret, Labels) === null).length
}

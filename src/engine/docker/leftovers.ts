import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CallOptions } from '../types.ts'
import type { Context } from './context.ts'
import type { DialLinks } from './dial-links.ts'
import { claimedIds, listContainers } from './inspect.ts'
import { isSandboxId } from './labels.ts'
import { removeContainer } from './lifecycle.ts'

/** Removes probes and fillers of a start that crashed, and host folders that no container uses. */
export async function removeLeftovers(context: Context, links: DialLinks, call: CallOptions): Promise<void> {
  for (const { identity, ref } of await listContainers(context, call)) {
    if (identity.kind !== 'sandbox') await removeContainer(context, identity.id, ref, call)
  }
  // By claim: a start with the wrong secret must not cut the links of sandboxes that the right one knows.
  const used = await claimedIds(context, call)
  const folders = await readdir(join(context.options.dataDir, 'run')).catch(() => [])
  for (const id of folders) {
    if (isSandboxId(id) && !used.has(id) && !links.has(id)) await links.remove(id)
  }
}

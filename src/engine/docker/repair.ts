import type { CallOptions } from '../types.ts'
import { readAgentBinary } from './agent-binary.ts'
import { ensureAgentVolume } from './agent-volume.ts'
import type { Context } from './context.ts'
import type { Internet } from './internet.ts'
import { rejoinNetwork } from './network.ts'
import { ensureScratchImage } from './scratch-image.ts'

/**
 * After a start that failed: makes again what sandboxes share where it vanished under us. True when there was something to
 * do, and the start is worth another try.
 */
export async function repairShared(
  context: Context,
  internet: Internet,
  id: string,
  ref: string,
  call: CallOptions,
): Promise<boolean> {
  const agent = await readAgentBinary(context.options.agentBinary)
  const scratchImage = await ensureScratchImage(context, call)
  const volume = await ensureAgentVolume(context, agent, scratchImage, call)
  const network = await internet.repair(call)
  const rejoined = await rejoinNetwork(context, id, ref, call)
  if (!network && !volume && !rejoined) return false
  context.log.warn({ sandbox: id, network, volume, rejoined }, 'made again what was removed from the engine')
  return true
}

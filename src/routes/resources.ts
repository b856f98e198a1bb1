import type { Resources, ResourcesRequest } from '../../schemas/sandbox.ts'
import type { ChangeSandbox, Sandbox } from '../core/model.ts'

/** Wire names to the core's; absent members stay absent. */
export function toResources({
  cpus,
  memory_mb,
  pids,
  disk_mb,
}: ResourcesRequest): NonNullable<ChangeSandbox['resources']> {
  return {
    ...(cpus !== undefined && { cpus }),
    ...(memory_mb !== undefined && { memoryMb: memory_mb }),
    ...(pids !== undefined && { pids }),
    ...(disk_mb !== undefined && { diskMb: disk_mb }),
  }
}

export function resourcesAnswer({ cpus, memoryMb, pids, diskMb }: Sandbox['resources']): Resources {
  return { cpus, memory_mb: memoryMb, pids, disk_mb: diskMb }
}

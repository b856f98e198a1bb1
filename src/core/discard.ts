import { SandboxError } from '../errors.ts'
import type { LiveSandboxes } from './live.ts'
import { type DeletedBy, isVisible, type SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import type { Removals } from './removals.ts'

export interface DiscardParts {
  registry: Registry
  live: LiveSandboxes
  removals: Removals
}

/**
 * Gone for every caller when it returns, durably; calls on it end. The engine's part follows in the background. DISK_FULL for one
 * that its caller knows; what nobody knows goes all the same.
 */
export function discard({ registry, live, removals }: DiscardParts, record: SandboxRecord, deletedBy: DeletedBy): void {
  const { id } = record
  try {
    registry.update(id, { status: 'deleting', deletedBy })
  } catch (error) {
    if (isVisible(record) && record.status !== 'creating') throw error
    registry.forsake(id, deletedBy)
  }
  live.end(id, new SandboxError('SANDBOX_NOT_FOUND', 'the sandbox was deleted in the meantime'))
  removals.add(id)
}

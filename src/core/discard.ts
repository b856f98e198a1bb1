import { SandboxError } from '../errors.ts'
import type { LiveSandboxes } from './live.ts'
import type { DeletedBy, SandboxRecord } from './record.ts'
import type { Registry } from './registry.ts'
import type { Removals } from './removals.ts'

export interface DiscardParts {
  registry: Registry
  live: LiveSandboxes
  removals: Removals
}

/** Gone for every caller when it returns, durably; calls on it end. The engine's part follows in the background. */
export function discard({ registry, live, removals }: DiscardParts, { id }: SandboxRecord, deletedBy: DeletedBy): void {
  registry.update(id, { status: 'deleting', deletedBy })
  live.end(id, new SandboxError('SANDBOX_NOT_FOUND', 'the sandbox was deleted in the meantime'))
  removals.add(id)
}

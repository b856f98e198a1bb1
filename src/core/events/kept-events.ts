import type { SnapshotRecord } from '../snapshot-record.ts'
import type { VolumeRecord } from '../volumes/volume.ts'
import type { NewEvent } from './event.ts'

type Status = SnapshotRecord['status'] | VolumeRecord['status']

/** What a change of status means to those who look from outside, of what is kept apart from sandboxes; null: nothing. */
function turnOf(was: Status | null, now: Status): 'created' | 'lost' | 'deleted' | null {
  if (now === was || now === 'creating') return null
  const wasThere = was !== null && was !== 'creating' && was !== 'deleting'
  if (now === 'deleting') return wasThere ? 'deleted' : null
  if (now === 'ready') return wasThere ? null : 'created'
  return 'lost'
}

export function volumeEvent(was: Status | null, { name, status }: VolumeRecord): NewEvent | null {
  const turn = turnOf(was, status)
  return turn && { type: `volume.${turn}`, sandboxId: null, data: { volume: name } }
}

/** Those of forks are nobody's. */
export function snapshotEvent(was: Status | null, snapshot: SnapshotRecord): NewEvent | null {
  const { id, name, status, temporary, sandboxId } = snapshot
  const turn = temporary ? null : turnOf(was, status)
  return turn && { type: `snapshot.${turn}`, sandboxId: null, data: { snapshot_id: id, name, from: sandboxId } }
}

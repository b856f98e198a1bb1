/** `creating`: nobody was told of it yet; `deleting`: answered as deleted; `missing`: the engine has it no more. */
export type VolumeStatus = 'creating' | 'ready' | 'missing' | 'deleting'

/** All that is known of one volume; its label has what never changes. */
export interface VolumeRecord {
  id: string
  name: string
  status: VolumeStatus
  /** The engine's; null until it has made it. */
  ref: string | null
  /** Above it no sandbox gets it for writing. null: no limit. */
  sizeMb: number | null
  labels: Record<string, string>
  createdAt: number
  /** As it was measured last; null: never yet. */
  usedBytes: number | null
  measuredAt: number | null
}

/** A volume as the API shows it. */
export interface Volume extends Omit<VolumeRecord, 'id' | 'ref' | 'status'> {
  status: Exclude<VolumeStatus, 'creating' | 'deleting'>
  /** Ids of the sandboxes that were made with it. */
  usedBy: string[]
}

export interface CreateVolume {
  name: string
  sizeMb?: number | undefined
  labels?: Record<string, string> | undefined
}

/** What a create asks for. */
export interface AskedMount {
  name: string
  path: string
  readOnly?: boolean | undefined
}

/** Of a sandbox's record: a volume that it was made with. */
export interface MountRecord {
  /** Of the engine. */
  ref: string
  name: string
  path: string
  readOnly: boolean
}

export function toVolumeLabel({ id, name, sizeMb, labels, createdAt }: VolumeRecord): string {
  return JSON.stringify({ id, name, sizeMb, labels, createdAt })
}

/** Of one that only the engine still knows. Its signature was right, so the text is ours. */
export function fromVolumeLabel(label: string, ref: string): VolumeRecord {
  const kept = JSON.parse(label) as Pick<VolumeRecord, 'id' | 'name' | 'sizeMb' | 'labels' | 'createdAt'>
  return { ...kept, status: 'ready', ref, usedBytes: null, measuredAt: null }
}

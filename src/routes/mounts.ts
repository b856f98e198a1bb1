import type { VolumeMount } from '../../schemas/volume.ts'
import type { AskedMount } from '../core/volumes/volume.ts'

export function toMounts(mounts: VolumeMount[] | undefined): AskedMount[] | undefined {
  return mounts?.map(({ name, path, read_only }) => ({ name, path, readOnly: read_only }))
}

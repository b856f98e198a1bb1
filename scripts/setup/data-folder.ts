import { requireFreeSpace } from './disk-space.ts'
import type { Step } from './step.ts'

/** Room for the database and its journal; below it writes that answers rely on would soon fail. */
const NEEDED_BYTES = 100e6

export function dataFolderStep(dataDir: string): Step {
  return {
    name: 'data folder',
    run: async () => {
      await requireFreeSpace(dataDir, NEEDED_BYTES)
      return dataDir
    },
  }
}

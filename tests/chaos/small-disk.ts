import { spawnSync } from 'node:child_process'
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** A data folder on a disk of its own, small enough to be filled. Where it can't be mounted it is a plain folder, never full. */
export interface SmallDisk extends AsyncDisposable {
  path: string
  canFill: boolean
  /** Leaves no byte. */
  fill(): void
  free(): void
}

const PIECE_BYTES = 64 * 1024

export async function mountSmallDisk(sizeMb: number): Promise<SmallDisk> {
  // Short: the path of a link's socket has to fit into 107 bytes.
  const path = await mkdtemp('/tmp/k2c-')
  const options = ['-t', 'tmpfs', '-o', `size=${sizeMb}m,mode=0700`, 'k2-chaos', path]
  const mounted = spawnSync('mount', options, { stdio: 'ignore' }).status === 0
  const filler = join(path, 'filler')
  return {
    path,
    canFill: mounted,
    fill() {
      if (!mounted) return
      const piece = Buffer.alloc(PIECE_BYTES, 1)
      try {
        for (;;) writeFileSync(filler, piece, { flag: 'a' })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
      if (statfsSync(path).bavail > 0) writeFileSync(filler, Buffer.alloc(4096, 1), { flag: 'a' })
    },
    free() {
      rmSync(filler, { force: true })
    },
    async [Symbol.asyncDispose]() {
      if (mounted) spawnSync('umount', ['--lazy', path], { stdio: 'ignore' })
      await rm(path, { recursive: true, force: true })
    },
  }
}

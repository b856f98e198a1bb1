import { posix } from 'node:path'
import { SandboxError } from '../../errors.ts'
import { writeTar } from '../../lib/tar.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'

const MEBIBYTE = 1024 * 1024
const MOST_VOLUMES = 32
const RESERVED = ['/', '/.k2', '/.k2run', '/proc', '/sys', '/dev', '/etc']

/**
 * Each path that the image declares as VOLUME becomes a sized tmpfs, so that no anonymous volume is made on the host.
 * All of them together get a quarter of the memory they are charged to. Throws TEMPLATE_INVALID for paths that would
 * cover what the sandbox stands on.
 */
export function volumeTmpfs(volumes: string[], memoryBytes: number): Record<string, string> {
  if (volumes.length > MOST_VOLUMES) {
    throw new SandboxError(
      'TEMPLATE_INVALID',
      `the image declares ${volumes.length} volumes; at most ${MOST_VOLUMES} are allowed`,
    )
  }
  const sizeBytes = Math.max(MEBIBYTE, Math.floor(memoryBytes / 4 / Math.max(1, volumes.length) / MEBIBYTE) * MEBIBYTE)
  const tmpfs: Record<string, string> = {}
  for (const volume of volumes) {
    const path = posix.resolve('/', volume)
    if (!volume.startsWith('/') || /\p{Cc}/u.test(volume) || RESERVED.some((reserved) => covers(reserved, path))) {
      throw new SandboxError(
        'TEMPLATE_INVALID',
        `the image declares the volume ${JSON.stringify(volume)}, which a sandbox can't have`,
      )
    }
    tmpfs[path] = `rw,nosuid,nodev,exec,size=${sizeBytes},nr_inodes=16k,mode=1777`
  }
  return tmpfs
}

/**
 * Makes the places of the volumes in a container that was not started yet. A tmpfs takes the mode of the folder that it covers
 * (runc, `mountToRootfs`), whatever its own options say: one that runc had made itself would be root's from the second start on.
 */
export async function makeVolumePlaces({ docker, timeouts }: Context, ref: string, volumes: string[]): Promise<void> {
  if (volumes.length === 0) return
  const places = volumes.map((volume) => ({
    name: `${posix.resolve('/', volume).slice(1)}/`,
    type: 'directory' as const,
    mode: 0o1777,
    uid: 0,
    gid: 0,
  }))
  await engineCall(
    'container.archive',
    (abortSignal) => docker.getContainer(ref).putArchive(writeTar(places), { path: '/', abortSignal }),
    { timeoutMs: timeouts.changeMs, name: '/' },
  )
}

/** `/` is only itself; of the others all that is below, too. */
function covers(reserved: string, path: string): boolean {
  return path === reserved || (reserved !== '/' && path.startsWith(`${reserved}/`))
}

import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { LINK_SOCKET } from './spec.ts'

/** sun_path of Linux without its final NUL; a longer one is cut short or refused, depending on who is asked. */
const LONGEST_SOCKET_PATH_BYTES = 107

/** The host folder of one sandbox's socket. `id` was checked to be an id. */
export function runDirOf(dataDir: string, id: string): string {
  return join(dataDir, 'run', id)
}

export function socketPathOf(dataDir: string, id: string): string {
  return join(runDirOf(dataDir, id), LINK_SOCKET)
}

/** Whether sockets of sandboxes can be made below this data folder. */
export function socketPathFits(dataDir: string): boolean {
  return Buffer.byteLength(socketPathOf(dataDir, 'x'.repeat(20))) <= LONGEST_SOCKET_PATH_BYTES
}

/** Idempotent; folder 0700 for us alone, also when it was there before. */
export function makeRunDir(dataDir: string, id: string): string {
  const dir = runDirOf(dataDir, id)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  chmodSync(dir, 0o700)
  return dir
}

export function removeRunDir(dataDir: string, id: string): void {
  rmSync(runDirOf(dataDir, id), { recursive: true, force: true })
}

/**
 * Real pipes to a child. What `spawn` makes are sockets, and a program can tell: `/dev/stderr` can't be opened,
 * and the interpreters take another path for their output.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Pipe {
  /** The descriptor for the child: blocking, to be closed here once it was started. */
  theirs: number
  /** Our end: never blocks. */
  ours: number
}

/** One pipe for each direction named: `read` is what we read from. */
export function openPipes(directions: readonly ('read' | 'write')[]): Pipe[] {
  const folder = mkdtempSync(join(tmpdir(), 'k2-driver-'))
  try {
    const paths = directions.map((_, index) => join(folder, String(index)))
    execFileSync('mkfifo', paths)
    return directions.map((direction, index) => openPipe(paths[index]!, direction))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function openPipe(path: string, direction: 'read' | 'write'): Pipe {
  // Open for both at first: opening one end alone would wait for the other.
  const both = openSync(path, constants.O_RDWR)
  const [ourMode, theirMode] =
    direction === 'read' ? [constants.O_RDONLY, constants.O_WRONLY] : [constants.O_WRONLY, constants.O_RDONLY]
  const pipe = { ours: openSync(path, ourMode | constants.O_NONBLOCK), theirs: openSync(path, theirMode) }
  closeSync(both)
  return pipe
}

/** What is in the pipe now; nothing when it is empty or at its end. */
export function drain(descriptor: number): Buffer {
  const chunks: Buffer[] = []
  for (;;) {
    const chunk = Buffer.allocUnsafe(65_536)
    const size = readNow(descriptor, chunk)
    if (size === 0) return Buffer.concat(chunks)
    chunks.push(chunk.subarray(0, size))
  }
}

function readNow(descriptor: number, chunk: Buffer): number {
  try {
    return readSync(descriptor, chunk)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
    throw error
  }
}

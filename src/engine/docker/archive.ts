import { addAbortSignal, type Readable } from 'node:stream'
import { SandboxError } from '../../errors.ts'
import type { CallOptions } from '../types.ts'
import { engineCall, engineText, statusOf } from './calls.ts'
import type { Context } from './context.ts'
import { isDataVolume } from './volumes.ts'

/**
 * `GET /containers/{id}/archive`. `callMs` bounds the wait for the first byte; after that the caller's signal ends the
 * stream. FILE_NOT_FOUND, also where a parent is a file.
 */
export async function readContainerArchive(
  { docker, timeouts }: Context,
  id: string,
  ref: string,
  path: string,
  { signal }: CallOptions,
): Promise<Readable> {
  checkPath(path)
  const call = { signal, timeoutMs: timeouts.callMs, name: path }
  try {
    const stream = (await engineCall(
      'container.archive',
      (abortSignal) => docker.getContainer(ref).getArchive({ path, abortSignal }),
      call,
    )) as Readable
    return signal ? addAbortSignal(signal, stream) : stream
  } catch (error) {
    throw archiveError(error, id, path)
  }
}

/**
 * `PUT /containers/{id}/archive`, existing folder only. PATH_REFUSED where the sandbox has no disk: what was written there would
 * be gone at the next start. The tar is destroyed when the call fails.
 */
export async function writeContainerArchive(
  context: Context,
  id: string,
  ref: string,
  path: string,
  tar: Readable,
  { signal }: CallOptions,
): Promise<void> {
  const { docker, timeouts } = context
  try {
    checkPath(path)
    await requireDisk(context, id, ref, path, { signal })
    await engineCall(
      'container.archive',
      (abortSignal) => docker.getContainer(ref).putArchive(tar, { path, noOverwriteDirNonDir: 'true', abortSignal }),
      { signal, timeoutMs: timeouts.changeMs, name: path },
    )
  } catch (error) {
    tar.destroy()
    throw archiveError(error, id, path)
  }
}

function checkPath(path: string): void {
  if (path.startsWith('/') && !path.includes('\0')) return
  throw new SandboxError('PATH_REFUSED', 'the path must be absolute and without NUL bytes')
}

/** File systems that the kernel makes anew at each start, beside the container's own mounts. */
const KERNEL_MOUNTS = ['/dev', '/proc', '/sys']

async function requireDisk(
  { docker, timeouts }: Context,
  id: string,
  ref: string,
  path: string,
  { signal }: CallOptions,
): Promise<void> {
  const { HostConfig, Mounts } = await engineCall(
    'container.read',
    (abortSignal) => docker.getContainer(ref).inspect({ abortSignal } as object),
    { signal, timeoutMs: timeouts.callMs, name: id },
  )
  const mounted = [
    ...KERNEL_MOUNTS,
    ...Object.keys((HostConfig.Tmpfs as Record<string, string> | undefined) ?? {}),
    ...Mounts.map(({ Destination }) => Destination),
  ]
  const mount = mounted.find((point) => path === point || path.startsWith(`${point}/`))
  if (mount === undefined) return
  // What shares it may run: the engine's root writes nowhere that a sandbox can change under it.
  if (Mounts.some(({ Destination, Name }) => Destination === mount && isDataVolume(Name)))
    throw new SandboxError(
      'PATH_REFUSED',
      `${mount} is a volume, which is written to by sandboxes that run; start it first`,
    )
  throw new SandboxError(
    'PATH_REFUSED',
    `${mount} is no part of the sandbox's disk: what is written there while it is stopped would be lost; start it first`,
  )
}

/** The engine answers 400 and 500 for what the file system said; its text is the only place where that is told. */
function archiveError(error: unknown, id: string, path: string): unknown {
  if (!(error instanceof SandboxError) || error.code !== 'INTERNAL') return error
  const status = statusOf(error.cause)
  if (status !== 400 && status !== 500 && status !== 403) return error
  const text = engineText(error.cause)
  const options = { cause: error.cause }
  if (/not a directory|extraction point is not a directory/i.test(text)) {
    return new SandboxError('PATH_NOT_DIRECTORY', `a part of ${path} in sandbox ${id} is not a folder`, options)
  }
  if (/no such file or directory/i.test(text))
    return new SandboxError('FILE_NOT_FOUND', `no file or folder ${path} in the sandbox`, options)
  if (/cannot overwrite (?:non-)?directory/i.test(text)) {
    return new SandboxError(
      'PATH_IS_DIRECTORY',
      `a folder in ${path} has the name of a file to write, or the other way round`,
      options,
    )
  }
  if (/device or resource busy/i.test(text)) {
    return new SandboxError(
      'PATH_REFUSED',
      `a file to write in ${path} is made anew at each start (as /etc/hosts is); start the sandbox and write it then`,
      options,
    )
  }
  if (/read-only/i.test(text))
    return new SandboxError('PERMISSION_DENIED', `${path} in sandbox ${id} is read-only`, options)
  if (/file name too long|too many (levels of symbolic )?links/i.test(text)) {
    return new SandboxError('PATH_REFUSED', `the sandbox's file system refuses ${path.slice(0, 80)}`, options)
  }
  return error
}

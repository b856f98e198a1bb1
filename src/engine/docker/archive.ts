import { addAbortSignal, type Readable } from 'node:stream'
import { SandboxError } from '../../errors.ts'
import type { CallOptions } from '../types.ts'
import { engineCall, engineText, statusOf } from './calls.ts'
import type { Context } from './context.ts'

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

/** `PUT /containers/{id}/archive`, existing folder only. The tar is destroyed when the call fails. */
export async function writeContainerArchive(
  { docker, timeouts }: Context,
  id: string,
  ref: string,
  path: string,
  tar: Readable,
  { signal }: CallOptions,
): Promise<void> {
  try {
    checkPath(path)
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
  if (/read-only/i.test(text))
    return new SandboxError('PERMISSION_DENIED', `${path} in sandbox ${id} is read-only`, options)
  if (/file name too long|too many (levels of symbolic )?links/i.test(text)) {
    return new SandboxError('PATH_REFUSED', `the sandbox's file system refuses ${path.slice(0, 80)}`, options)
  }
  return error
}

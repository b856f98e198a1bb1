import { Readable } from 'node:stream'
import { isSandboxError, SandboxError } from '../../errors.ts'
import type { CallOptions } from '../types.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import { readProgress } from './progress.ts'

const TAG = '1'
/** A tar archive without entries: two zero blocks. */
const EMPTY_TAR_BYTES = 1024

/** Id of an image with nothing in it, made on the engine when it is not there: what probe and filler are created from. */
export function ensureScratchImage(context: Context, call: CallOptions): Promise<string> {
  return ensureImage(context, 'k2-scratch', () => Readable.from([Buffer.alloc(EMPTY_TAR_BYTES)]), call)
}

/** Id of `<name>:1`, imported from a tar when it is not there. What is in it must never change. */
export async function ensureImage(
  context: Context,
  name: string,
  content: () => Readable,
  { signal }: CallOptions,
): Promise<string> {
  try {
    return await inspectId(context, name, signal)
  } catch (error) {
    if (!isSandboxError(error, 'TEMPLATE_NOT_FOUND')) throw error
  }
  const { docker, timeouts } = context
  await engineCall(
    'image.import',
    async (abortSignal) => {
      const stream = await docker.importImage(content(), { repo: name, tag: TAG, abortSignal })
      const failure = await readProgress(stream as Readable)
      if (failure !== null)
        throw new SandboxError('INTERNAL', 'the engine could not import an image', { cause: new Error(failure) })
    },
    { signal, timeoutMs: timeouts.changeMs },
  )
  return inspectId(context, name, signal)
}

async function inspectId(
  { docker, timeouts }: Context,
  repository: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const name = `${repository}:${TAG}`
  const call = { signal, timeoutMs: timeouts.callMs, name }
  const image = await engineCall(
    'image.inspect',
    (abortSignal) => docker.getImage(name).inspect({ abortSignal } as object),
    call,
  )
  return image.Id
}

import { SandboxError } from '../../errors.ts'
import { writeTar } from '../../lib/tar.ts'
import type { CallOptions, EngineVolume, VolumeSpec } from '../types.ts'
import { engineCall, statusOf } from './calls.ts'
import type { Context } from './context.ts'
import { withFiller } from './filler.ts'
import { LABEL, readVolumeLabels, signVolumeLabels } from './labels.ts'
import { ensureImage } from './scratch-image.ts'

/** Random ids: a sandbox sees the name in its table of mounts. */
const PREFIX = 'k2-data-'
const FOLDER = '/data'

/** By its name only: what we mount is signed. */
export function isDataVolume(name: string | undefined): boolean {
  return name?.startsWith(PREFIX) === true
}

const ORDINARY_ID = 1000

/**
 * A local volume without any driver option. Its root is made the ordinary user's, and writable for all: what the engine finds at
 * the place of an empty volume's first mount gives owner and mode. Leaves nothing behind when it fails.
 */
export async function createDataVolume(context: Context, spec: VolumeSpec, call: CallOptions): Promise<string> {
  const { docker, options, timeouts } = context
  const image = await ensureImage(context, 'k2-volume', () => writeTar([PLACE]), call)
  const name = `${PREFIX}${spec.id}`
  const limits = { signal: call.signal, timeoutMs: timeouts.changeMs }
  const labels = signVolumeLabels(options.secret, { ...spec, instance: options.instance })
  try {
    await engineCall(
      'volume',
      (abortSignal) =>
        docker.createVolume({ Name: name, Driver: 'local', DriverOpts: {}, Labels: labels, abortSignal }),
      limits,
    )
    // Somebody may have had one of that name: the engine gives that then.
    await requireOwn(context, name, call)
    // The mount alone is what gives it owner and mode.
    await withFiller(context, { image, volume: name, folder: FOLDER }, call, async () => undefined)
    return name
  } catch (error) {
    await removeDataVolume(context, name, {}).catch((err: unknown) =>
      context.log.warn({ volume: name, err }, 'what a failed create of a volume left was not removed'),
    )
    throw error
  }
}

const PLACE = {
  name: `${FOLDER.slice(1)}/`,
  type: 'directory',
  mode: 0o777,
  uid: ORDINARY_ID,
  gid: ORDINARY_ID,
} as const

/** VOLUME_NOT_FOUND where there is none of this name that we signed: the engine would make an empty one without a word. */
export async function requireOwn(context: Context, name: string, { signal }: CallOptions): Promise<void> {
  const { docker, options, timeouts } = context
  try {
    const { Labels } = await engineCall(
      'volume',
      (abortSignal) => docker.getVolume(name).inspect({ abortSignal } as object),
      { signal, timeoutMs: timeouts.callMs },
    )
    if (readVolumeLabels(options.secret, Labels)?.instance === options.instance) return
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  throw new SandboxError(
    'VOLUME_NOT_FOUND',
    'a volume of this sandbox is not on the engine any more; its files are lost',
  )
}

/** Every volume of this instance that we signed, without its size. */
export async function listDataVolumes(context: Context, { signal }: CallOptions): Promise<EngineVolume[]> {
  const { docker, options, timeouts } = context
  const filters = JSON.stringify({ label: [`${LABEL.instance}=${options.instance}`] })
  const { Volumes } = await engineCall(
    'volume',
    (abortSignal) => docker.listVolumes({ filters, abortSignal } as object),
    { signal, timeoutMs: timeouts.callMs },
  )
  const found: EngineVolume[] = []
  for (const { Name, Labels } of Volumes ?? []) {
    const identity = readVolumeLabels(options.secret, Labels)
    if (identity === null || identity.instance !== options.instance || Name !== `${PREFIX}${identity.id}`) continue
    found.push({ id: identity.id, ref: Name, record: identity.record })
  }
  return found
}

/** Not by force. Nothing there is success; VOLUME_IN_USE while a container has it. */
export async function removeDataVolume(
  { docker, timeouts }: Context,
  ref: string,
  { signal }: CallOptions,
): Promise<void> {
  try {
    await engineCall('volume', (abortSignal) => docker.getVolume(ref).remove({ abortSignal } as object), {
      signal,
      timeoutMs: timeouts.changeMs,
      name: ref,
    })
  } catch (error) {
    if (isMissing(error)) return
    if (statusOf((error as Error).cause) !== 409) throw error
    throw new SandboxError('VOLUME_IN_USE', 'a sandbox still has this volume', { cause: error })
  }
}

/** Bytes by name, as the engine counts them: it walks through every file. */
export async function dataVolumeSizes(
  { docker, timeouts }: Context,
  { signal }: CallOptions,
): Promise<Map<string, number>> {
  const { Volumes } = (await engineCall(
    'volume',
    (abortSignal) => (docker.df as (options: object) => Promise<unknown>).call(docker, { type: 'volume', abortSignal }),
    { signal, timeoutMs: timeouts.pullMs },
  )) as { Volumes?: { Name: string; UsageData?: { Size: number } | null }[] | null }
  const sizes = (Volumes ?? []).filter(({ Name }) => Name.startsWith(PREFIX))
  return new Map(sizes.map(({ Name, UsageData }) => [Name, Math.max(0, UsageData?.Size ?? 0)]))
}

const isMissing = (error: unknown) => statusOf((error as Error).cause) === 404

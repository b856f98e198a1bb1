import type { ContainerInspectInfo, ImageInfo, ImageInspectInfo } from 'dockerode'
import { isSandboxError, SandboxError } from '../../errors.ts'
import { untilAborted } from '../../lib/deadline.ts'
import type { CallOptions, EngineImage, ImageSpec } from '../types.ts'
import { engineCall, engineText } from './calls.ts'
import type { Context } from './context.ts'
import { imageName, isNamedByUs } from './image-name.ts'
import { inspectWhole } from './inspect.ts'
import { LABEL, RECORD_LIMIT_BYTES, readImageLabels, signImageLabels } from './labels.ts'
import { inspectImage } from './templates.ts'

/**
 * `POST /commit`. Paused, so that all files are of one moment and none is cut; what was written is seen whether it is on the disk
 * already or not, since the engine reads through the same kernel. The image says of itself what the sandbox's own image said,
 * not what the container was made with.
 */
export async function commitContainer(
  context: Context,
  id: string,
  ref: string,
  spec: ImageSpec,
  { signal }: CallOptions,
): Promise<EngineImage & { addedBytes: number }> {
  signal?.throwIfAborted()
  const making = commit(context, id, ref, spec)
  try {
    return await untilAborted(making, signal)
  } catch (error) {
    // The engine goes on with what it has begun.
    if (signal?.aborted) void making.then((image) => removeLate(context, image.ref)).catch(() => undefined)
    throw error
  }
}

async function commit(
  context: Context,
  id: string,
  ref: string,
  spec: ImageSpec,
): Promise<EngineImage & { addedBytes: number }> {
  const { docker, options, timeouts } = context
  const { info } = await inspectWhole(context, id, ref, {})
  const origin = await originOf(context, info)
  const call = { timeoutMs: timeouts.commitMs, name: id }
  const query = { ...imageName(options.instance, spec.id), container: ref, pause: true }
  const request = { _query: query, _body: imageConfig(context, spec, info, origin) } as object
  const made = await engineCall(
    'container.commit',
    (abortSignal) => docker.getContainer(ref).commit({ ...request, abortSignal }) as Promise<{ Id: string }>,
    call,
  ).catch(explain)
  const image = await inspectImage(context, made.Id, spec.id, {})
  const { kind, record } = spec
  const addedBytes = Math.max(0, image.Size - origin.Size)
  return { kind, id: spec.id, ref: image.Id, record, createdAt: Date.parse(image.Created), addedBytes }
}

/** SANDBOX_STATE_CONFLICT when it is gone, which only force can do. */
async function originOf(context: Context, { Image }: ContainerInspectInfo): Promise<ImageInspectInfo> {
  return await inspectImage(context, Image, Image, {}).catch((error: unknown) => {
    if (!isSandboxError(error, 'TEMPLATE_NOT_FOUND')) throw error
    throw new SandboxError(
      'SANDBOX_STATE_CONFLICT',
      'the image that this sandbox was made of is not on the engine any more; copy its files out as an archive',
      { cause: error },
    )
  })
}

/** What the engine does not find here, it takes from the container (moby, `daemon/commit.go`, `merge`): so all is given. */
function imageConfig(
  { options }: Context,
  spec: ImageSpec,
  info: ContainerInspectInfo,
  origin: ImageInspectInfo,
): object {
  const { kind, id, record } = spec
  if (Buffer.byteLength(record) > RECORD_LIMIT_BYTES - 1024)
    throw new SandboxError('INTERNAL', `the record of image ${id} is too long`)
  const config = origin.Config ?? {}
  const own = readImageLabels(options.secret, config.Labels)
  const user = spec.user ?? (own === null ? config.User || null : own.user)
  const env =
    spec.env === undefined ? (config.Env ?? []) : Object.entries(spec.env).map(([name, value]) => `${name}=${value}`)
  return {
    Env: [...env, ...namesOf(info.Config.Env).filter((name) => name !== 'PATH' && !namesOf(env).includes(name))],
    User: user ?? '0',
    WorkingDir: spec.workdir ?? (config.WorkingDir || '/'),
    Entrypoint: config.Entrypoint ?? [],
    // Without one it would be the agent's.
    Cmd: config.Cmd?.length ? config.Cmd : ['/bin/sh'],
    StopSignal: 'SIGTERM',
    Labels: signImageLabels(options.secret, { kind, id, instance: options.instance, record, user }),
  }
}

function namesOf(env: string[] | null | undefined): string[] {
  return (env ?? []).map((pair) => pair.split('=', 1)[0] ?? '').filter((name) => name !== '')
}

function explain(error: unknown): never {
  if (isSandboxError(error, 'INTERNAL') && /max depth exceeded/i.test(engineText(error.cause)))
    throw new SandboxError(
      'SANDBOX_STATE_CONFLICT',
      'this sandbox is a copy of a copy so many times over that the engine can stack no more; make a fresh one and copy its files',
      { cause: error.cause },
    )
  throw error
}

async function removeLate(context: Context, ref: string): Promise<void> {
  try {
    await removeOwnImage(context, ref, {})
  } catch (err) {
    context.log.warn({ image: ref, err }, 'could not remove an image that nobody waits for any more')
  }
}

/** Of this instance, as signed; of several with one id the one that we named, since what is built upon an image has its labels. */
export async function listOwnImages(context: Context, { signal }: CallOptions): Promise<EngineImage[]> {
  const { docker, options, timeouts } = context
  const filters = { label: [`${LABEL.instance}=${options.instance}`] }
  const infos = (await engineCall(
    'image.list',
    (abortSignal) => docker.listImages({ all: true, filters: JSON.stringify(filters), abortSignal } as object),
    { signal, timeoutMs: timeouts.callMs },
  )) as ImageInfo[]
  const found = new Map<string, EngineImage & { named: boolean }>()
  for (const info of infos) {
    const identity = readImageLabels(options.secret, info.Labels)
    if (identity === null || identity.instance !== options.instance) continue
    const { kind, id, record } = identity
    const { repo, tag } = imageName(options.instance, id)
    const named = (info.RepoTags ?? []).includes(`${repo}:${tag}`)
    if (found.get(id)?.named || (!named && !isNamedByUs(info))) continue
    found.set(id, { kind, id, ref: info.Id, record, createdAt: info.Created * 1000, named })
  }
  return [...found.values()].map(({ named, ...image }) => image)
}

/** Not by force, and without its parents: those may be somebody else's. */
export async function removeOwnImage(
  { docker, timeouts }: Context,
  ref: string,
  { signal }: CallOptions,
): Promise<void> {
  try {
    await engineCall(
      'image.remove',
      (abortSignal) => docker.getImage(ref).remove({ noprune: true, abortSignal } as object),
      { signal, timeoutMs: timeouts.changeMs, name: ref },
    )
  } catch (error) {
    if (isSandboxError(error, 'TEMPLATE_NOT_FOUND')) return
    if (!isSandboxError(error, 'SANDBOX_STATE_CONFLICT')) throw error
    throw new SandboxError(
      'IMAGE_IN_USE',
      'sandboxes or other images are still made of this image; delete them first',
      {
        cause: error.cause,
      },
    )
  }
}

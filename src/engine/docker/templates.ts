import type { ImageInspectInfo } from 'dockerode'
import { isSandboxError, SandboxError } from '../../errors.ts'
import type { CallOptions, Template } from '../types.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import { isNamedByUs } from './image-name.ts'
import { type ImageIdentity, readImageLabels } from './labels.ts'
import { Pulls } from './pull.ts'
import { type ImageReference, parseReference } from './reference.ts'

const MOST_CACHED = 1000

/**
 * What images say of themselves. A reference once resolved is answered from memory for as long as the engine's image events
 * are being watched (`watching`) and none came since.
 */
export class Templates {
  readonly #context: Context
  readonly #pulls: Pulls
  readonly #cache = new Map<string, Template>()
  #watching = false
  /** Counts what made cached answers stale, so that an answer that was under way meanwhile is not cached. */
  #generation = 0

  constructor(context: Context) {
    this.#context = context
    this.#pulls = new Pulls(context)
  }

  /** Image events are (not) being received from now on. */
  setWatching(watching: boolean): void {
    this.#watching = watching
    this.invalidate()
  }

  /** Some image or tag changed. */
  invalidate(): void {
    this.#generation++
    this.#cache.clear()
  }

  async resolve(reference: string, { signal }: CallOptions): Promise<Template> {
    const image = parseReference(reference)
    const cached = this.#cache.get(image.canonical)
    if (cached) return { ...cached, reference }
    const generation = this.#generation
    const template = await this.#inspectOrPull(image, reference, signal)
    if (this.#watching && this.#generation === generation && this.#cache.size < MOST_CACHED) {
      this.#cache.set(image.canonical, template)
    }
    return template
  }

  async #inspectOrPull(image: ImageReference, reference: string, signal: AbortSignal | undefined): Promise<Template> {
    try {
      return await this.#inspect(image, reference, signal)
    } catch (error) {
      if (image.version === null || !isSandboxError(error, 'TEMPLATE_NOT_FOUND')) throw error
    }
    await this.#pulls.pull(image, reference, signal)
    return this.#inspect(image, reference, signal)
  }

  /** Images of ours have owners, who alone hand them out. */
  async #inspect(image: ImageReference, reference: string, signal: AbortSignal | undefined): Promise<Template> {
    const info = await inspectImage(this.#context, image.canonical, reference, { signal })
    if (readImageLabels(this.#context.options.secret, info.Config?.Labels) !== null && isNamedByUs(info))
      throw new SandboxError(
        'TEMPLATE_NOT_FOUND',
        `template ${reference} is an image of this server's own; name the snapshot or template that it belongs to instead`,
      )
    return asTemplate(reference, info, null)
  }
}

/** An image that `commit` made. TEMPLATE_NOT_FOUND when it is not there, or not ours. */
export async function resolveOwnImage(
  context: Context,
  ref: string,
  reference: string,
  call: CallOptions,
): Promise<Template> {
  const info = await inspectImage(context, ref, reference, call)
  const identity = readImageLabels(context.options.secret, info.Config?.Labels)
  if (identity === null || identity.instance !== context.options.instance)
    throw new SandboxError('TEMPLATE_NOT_FOUND', `no image of ${reference} on the engine`)
  return asTemplate(reference, info, identity)
}

/** `name`: what an error calls it. */
export async function inspectImage(
  { docker, timeouts }: Context,
  image: string,
  name: string,
  { signal }: CallOptions,
): Promise<ImageInspectInfo> {
  return await engineCall('image.inspect', (abortSignal) => docker.getImage(image).inspect({ abortSignal } as object), {
    signal,
    timeoutMs: timeouts.callMs,
    name,
  })
}

function asTemplate(reference: string, info: ImageInspectInfo, own: ImageIdentity | null): Template {
  if (info.Os !== undefined && info.Os !== 'linux') {
    throw new SandboxError('TEMPLATE_INVALID', `template ${reference} is an image for ${info.Os}; sandboxes need Linux`)
  }
  const config = info.Config ?? {}
  // A name without "=" is one that is taken out, as for a container: images of ours have them.
  const pairs = (config.Env ?? []).flatMap((pair): [string, string][] => {
    const at = pair.indexOf('=')
    return at < 0 ? [] : [[pair.slice(0, at), pair.slice(at + 1)]]
  })
  return {
    reference,
    imageId: info.Id,
    env: Object.fromEntries(pairs),
    user: own === null ? config.User || null : own.user,
    workdir: config.WorkingDir || null,
    volumes: Object.keys(config.Volumes ?? {}).sort(),
  }
}

import type { Readable } from 'node:stream'
import { SandboxError } from '../../errors.ts'
import { untilAborted } from '../../lib/deadline.ts'
import { engineCall, engineText, statusOf } from './calls.ts'
import type { Context } from './context.ts'
import { readProgress } from './progress.ts'
import type { ImageReference } from './reference.ts'

interface Pull {
  done: Promise<void>
  callers: number
  controller: AbortController
}

/** Pulls of missing images: callers that want the same one share one pull, which ends early only when all of them left. */
export class Pulls {
  readonly #context: Context
  readonly #running = new Map<string, Pull>()

  constructor(context: Context) {
    this.#context = context
  }

  /** Resolves when the image is on the engine. Throws TEMPLATE_NOT_FOUND with the registry's reason; rejects with the signal's. */
  async pull(image: ImageReference, shown: string, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    const pull = this.#running.get(image.canonical) ?? this.#begin(image, shown)
    pull.callers++
    try {
      await untilAborted(pull.done, signal)
    } finally {
      pull.callers--
      if (pull.callers === 0) pull.controller.abort(new Error('nobody waits for this image any more'))
    }
  }

  #begin(image: ImageReference, shown: string): Pull {
    const controller = new AbortController()
    const done = this.#run(image, shown, controller.signal).finally(() => {
      if (this.#running.get(image.canonical)?.controller === controller) this.#running.delete(image.canonical)
    })
    done.catch(() => undefined)
    const pull: Pull = { done, callers: 0, controller }
    controller.signal.addEventListener('abort', () => {
      if (this.#running.get(image.canonical) === pull) this.#running.delete(image.canonical)
    })
    this.#running.set(image.canonical, pull)
    return pull
  }

  async #run(image: ImageReference, shown: string, signal: AbortSignal): Promise<void> {
    const { docker, timeouts, log } = this.#context
    const started = Date.now()
    log.info({ image: image.canonical }, 'pulling an image')
    try {
      const failure = await engineCall(
        'image.pull',
        async (abortSignal) => {
          const query = { fromImage: image.repository, tag: image.version ?? 'latest', abortSignal }
          return readProgress((await docker.createImage(query)) as Readable)
        },
        { signal, timeoutMs: timeouts.pullMs, name: shown },
      )
      if (failure !== null) throw notFound(shown, failure, new Error(failure))
      log.info({ image: image.canonical, tookMs: Date.now() - started }, 'pulled an image')
    } catch (error) {
      throw reworded(error, shown)
    }
  }
}

/** A refusal of the registry comes as an HTTP error of the engine when it is quick, and as a line of the progress else. */
function reworded(error: unknown, shown: string): unknown {
  if (!(error instanceof SandboxError)) return error
  const status = statusOf(error.cause)
  if (status === null || !['TEMPLATE_NOT_FOUND', 'INTERNAL'].includes(error.code)) return error
  return notFound(shown, engineText(error.cause), error.cause)
}

/** The engine's text is the only place where the registry's reason is; each is said in our own words. */
const REASONS: [RegExp, string][] = [
  [
    /manifest unknown|manifest for .* not found|not found: manifest|no matching manifest/i,
    'its registry has no such image or tag',
  ],
  [
    /pull access denied|unauthorized|authentication required|denied: requested access|insufficient_scope/i,
    'its registry does not have it, or asks for a login',
  ],
  [/toomanyrequests|rate limit/i, 'its registry limits how many images are pulled; try again later'],
  [
    /x509|certificate|server gave HTTP response to HTTPS client/i,
    "the engine does not trust its registry's certificate",
  ],
  [
    /no such host|dial tcp|connection refused|timeout|deadline exceeded|network is unreachable|EOF|connection reset|server misbehaving/i,
    'it is not on the engine, and its registry can not be reached',
  ],
  [/not found|name unknown|404/i, 'its registry has no such image or tag'],
]

function notFound(shown: string, text: string, cause: unknown): SandboxError {
  if (/no space left on device/i.test(text)) {
    return new SandboxError('DISK_FULL', "the engine's disk is full; delete sandboxes or images, then try again", {
      cause,
    })
  }
  const reason =
    REASONS.find(([pattern]) => pattern.test(text))?.[1] ?? 'the engine could not pull it; the log has its answer'
  return new SandboxError('TEMPLATE_NOT_FOUND', `template ${shown} is not available: ${reason}`, { cause })
}

/** The promise's outcome, or the signal's reason as soon as it aborts. Leaves no listener behind; the promise stays its owner's. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  if (signal.aborted) {
    promise.catch(() => {})
    return Promise.reject(signal.reason)
  }
  const { promise: outcome, resolve, reject } = Promise.withResolvers<T>()
  const onAbort = () => reject(signal.reason)
  const detach = () => signal.removeEventListener('abort', onAbort)
  signal.addEventListener('abort', onAbort)
  promise.then(resolve, reject).finally(detach)
  return outcome
}

/** A signal that aborts with the first of: the given signal's reason, `error()` after the time. Disposing it frees both. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal
}

/**
 * A deadline inside a caller's own signal. Use with `using`: what is not disposed keeps its timer and its listener until the
 * time is over.
 */
export function deadline(timeoutMs: number, error: () => Error, signal?: AbortSignal): Deadline {
  const controller = new AbortController()
  const onAbort = () => controller.abort(signal?.reason)
  const timer = setTimeout(() => controller.abort(error()), timeoutMs)
  if (signal?.aborted) onAbort()
  else signal?.addEventListener('abort', onAbort)
  const dispose = () => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
  controller.signal.addEventListener('abort', dispose, { once: true })
  return { signal: controller.signal, [Symbol.dispose]: dispose }
}

/**
 * Runs `step` with a signal that aborts after the time or with the caller's, and settles then at the latest, whether `step`
 * listens or not. Throws `error()` when the time is over.
 */
export async function withDeadline<T>(
  timeoutMs: number,
  error: () => Error,
  signal: AbortSignal | undefined,
  step: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  using limit = deadline(timeoutMs, error, signal)
  limit.signal.throwIfAborted()
  return await untilAborted(step(limit.signal), limit.signal)
}

/** A deadline with its timer: `signal` aborts with `reason()` after `timeoutMs`, or with the caller's reason. Dispose it when the work ended. */
export function startDeadline(
  timeoutMs: number,
  signal: AbortSignal | undefined,
  reason: () => Error,
): Disposable & { signal: AbortSignal; abort(reason: unknown): void } {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(reason()), timeoutMs)
  const onAbort = (): void => controller.abort(signal?.reason)
  if (signal?.aborted) onAbort()
  else signal?.addEventListener('abort', onAbort, { once: true })
  return {
    signal: controller.signal,
    abort: (why) => controller.abort(why),
    [Symbol.dispose](): void {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    },
  }
}

import { SandboxError } from '../errors.ts'
import type { Ended } from './executions.ts'
import type { CodeError } from './model.ts'

/** The error of a run that something else than its code ended; null where the code itself says how it went. */
export function whyEnded({ reason, signal, stateLost, exitCode }: Ended, timeoutMs: number): CodeError | null {
  const named = (name: string, value: string): CodeError => ({
    name,
    value: stateLost ? `${value}; its context begins anew` : value,
    traceback: null,
  })
  switch (reason) {
    case 'timeout':
      return named('TimeoutError', `the run was ended after ${timeoutMs / 1000} s; raise timeout`)
    case 'out_of_memory':
      return named(
        'OutOfMemoryError',
        'the run used more memory than the sandbox has; create one with more resources.memory_mb',
      )
    case 'restarted':
      return named('ContextRestarting', 'the context was restarted under the run')
    case 'killed':
    case 'signaled':
      return named('SignalError', `the run was ended by ${signal ?? 'a signal'}`)
    case 'exited':
      return null
    default:
      throw new SandboxError('INTERNAL', 'a run ended in an unknown way', {
        cause: new Error(`reason ${String(reason satisfies never)} ${exitCode}`),
      })
  }
}

import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { EngineEvent } from '../types.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import { inspectContainer } from './inspect.ts'
import { readJsonLines } from './json-lines.ts'
import { LABEL, readLabels } from './labels.ts'

const ACTIONS = ['start', 'kill', 'die', 'oom', 'pause', 'unpause', 'destroy']
const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 5000
const OUT_OF_MEMORY_EXIT = 137
/** Sandboxes that something was killed in since they started. */
const MOST_REMEMBERED = 10_000

/**
 * Events of this instance's containers, as the port wants them. `resync` comes each time the stream (again) stands, the
 * first time too: what happened before is unknown then.
 */
export async function* containerEvents(context: Context, signal: AbortSignal): AsyncGenerator<EngineEvent> {
  const filters = { type: ['container'], event: ACTIONS, label: [`${LABEL.instance}=${context.options.instance}`] }
  const history: History = { outOfMemory: new Set(), killed: new Set() }
  for await (const message of watchEvents(context, filters, signal)) {
    if (message === 'connected') yield { type: 'resync' }
    else if (message === 'lost') yield { type: 'lost' }
    else yield* translate(context, message, history, signal)
  }
}

/** Calls `onChange` for each event of an image, `onWatching` when the stream stands or is lost. Until the signal aborts. */
export async function watchImages(
  context: Context,
  signal: AbortSignal,
  on: { change(): void; watching(watching: boolean): void },
): Promise<void> {
  for await (const message of watchEvents(context, { type: ['image'] }, signal)) {
    if (message === 'connected') on.watching(true)
    else if (message === 'lost') on.watching(false)
    else on.change()
  }
}

interface Message {
  action: string
  ref: string
  attributes: Record<string, string>
}

/** Reconnects for ever, 100 ms doubling to 5 s; `connected` is yielded each time the stream stands, `lost` after each end or failed try. Ends with the signal, without an error. */
async function* watchEvents(
  context: Context,
  filters: Record<string, string[]>,
  signal: AbortSignal,
): AsyncGenerator<Message | 'connected' | 'lost'> {
  let retryMs = FIRST_RETRY_MS
  while (!signal.aborted) {
    try {
      const stream = await openStream(context, filters, signal)
      const onAbort = (): void => void stream.destroy()
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        retryMs = FIRST_RETRY_MS
        yield 'connected'
        for await (const line of readJsonLines(stream)) {
          const message = parse(line)
          if (message !== null) yield message
        }
      } finally {
        signal.removeEventListener('abort', onAbort)
        stream.destroy()
      }
    } catch (error) {
      if (signal.aborted) return
      context.log.debug({ err: error }, 'the stream of engine events was lost')
    }
    if (signal.aborted) return
    yield 'lost'
    await delay(retryMs, undefined, { signal, ref: false }).catch(() => undefined)
    retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS)
  }
}

async function openStream(
  { docker, timeouts }: Context,
  filters: Record<string, string[]>,
  signal: AbortSignal,
): Promise<Readable> {
  const call = { signal, timeoutMs: timeouts.callMs }
  return (await engineCall(
    'events',
    (abortSignal) => docker.getEvents({ filters, abortSignal } as object),
    call,
  )) as Readable
}

function parse(line: Record<string, unknown>): Message | null {
  const { Action, Actor } = line
  if (typeof Action !== 'string' || Actor === null || typeof Actor !== 'object') return null
  const { ID, Attributes } = Actor as { ID?: unknown; Attributes?: unknown }
  if (typeof ID !== 'string') return null
  return { action: Action, ref: ID, attributes: (Attributes ?? {}) as Record<string, string> }
}

const PLAIN = { start: 'started', pause: 'paused', unpause: 'resumed', destroy: 'removed', oom: 'outOfMemory' } as const

async function* translate(
  context: Context,
  { action, ref, attributes }: Message,
  history: History,
  signal: AbortSignal,
): AsyncGenerator<EngineEvent> {
  const identity = readLabels(context.options.secret, attributes)
  if (identity === null || identity.kind !== 'sandbox' || identity.instance !== context.options.instance) return
  const { id } = identity
  if (action === 'oom') remember(history.outOfMemory, id)
  if (action === 'kill') remember(history.killed, id)
  if (action === 'start' || action === 'destroy') forget(history, id)
  if (action === 'die') {
    const exitCode = /^\d{1,3}$/.test(attributes.exitCode ?? '') ? Number(attributes.exitCode) : null
    const suspect = exitCode === OUT_OF_MEMORY_EXIT && !history.killed.has(id)
    const outOfMemory = suspect && (history.outOfMemory.has(id) || (await diedOfMemory(context, id, ref, signal)))
    forget(history, id)
    yield { type: 'died', id, ref, exitCode, outOfMemory }
  } else if (Object.hasOwn(PLAIN, action)) {
    yield { type: PLAIN[action as keyof typeof PLAIN], id, ref }
  }
}

/**
 * What came before a sandbox's end. The event of the end does not say who killed PID 1, and the container's state only
 * that the kernel has killed something in it at some time; but who kills it through the engine leaves a `kill` event.
 */
interface History {
  outOfMemory: Set<string>
  killed: Set<string>
}

function remember(ids: Set<string>, id: string): void {
  if (ids.size < MOST_REMEMBERED) ids.add(id)
}

function forget(history: History, id: string): void {
  history.outOfMemory.delete(id)
  history.killed.delete(id)
}

/** For the order in which `die` comes before `oom`. */
async function diedOfMemory(context: Context, id: string, ref: string, signal: AbortSignal): Promise<boolean> {
  try {
    return (await inspectContainer(context, id, ref, { signal })).outOfMemory
  } catch (error) {
    context.log.debug({ err: error, sandbox: id }, 'could not read how a sandbox ended')
    return false
  }
}

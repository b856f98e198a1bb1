import type { ExecutionEvent } from '../../schemas/live.ts'
import type { CodeEnd, OnRunEvent, RunEnd, RunEvent } from '../core/model.ts'
import type { Send } from '../http/live-answer.ts'
import { timestamp } from '../http/timestamp.ts'
import { TextChunks } from '../lib/text.ts'
import { USAGE } from './examples.ts'
import { encodeBytes, usageAnswer } from './execution-answer.ts'
import { resultAnswer } from './result-answer.ts'

type Encoding = 'utf-8' | 'base64'

/**
 * One run as events of the API. Under `utf-8` a character that is cut between two writes comes with the second; bytes that are
 * no text are replaced.
 */
export class LiveEvents {
  readonly #send: Send<ExecutionEvent>
  readonly #encoding: Encoding
  readonly #text = { stdout: new TextChunks(), stderr: new TextChunks() }
  #timestampMs = 0
  /** After the latest event. */
  #offset = 0

  constructor(send: Send<ExecutionEvent>, encoding: Encoding) {
    this.#send = send
    this.#encoding = encoding
  }

  readonly take: OnRunEvent = (event: RunEvent) => {
    switch (event.type) {
      case 'start':
        return this.#send({
          type: 'start',
          process_id: event.processId,
          created_at: timestamp(event.startedAt),
          language: event.language,
          context_id: event.contextId,
        })
      case 'stdout':
      case 'stderr': {
        this.#timestampMs = event.timestampMs
        this.#offset = event.offset
        if (this.#encoding === 'base64') return this.#output(event.type, encodeBytes(event.bytes, 'base64'))
        const text = this.#text[event.type]
        return this.#output(event.type, text.write(event.bytes), text.pendingBytes)
      }
      case 'result':
        this.#offset = event.offset
        return this.#send({
          type: 'result',
          result: resultAnswer(event.display),
          update: event.update,
          offset: event.offset,
        })
      case 'dropped':
        this.#offset = event.offset
        return this.#send({ type: 'dropped', bytes: event.sizeBytes, offset: event.offset })
    }
  }

  /** What comes last. */
  async end(end: RunEnd & Partial<Pick<CodeEnd, 'error' | 'stateLost'>>): Promise<void> {
    for (const stream of ['stdout', 'stderr'] as const) await this.#output(stream, this.#text[stream].end())
    if (end.error) await this.#send({ type: 'error', error: end.error })
    await this.#send({
      type: 'end',
      exit_code: end.exitCode,
      reason: end.reason,
      signal: end.signal,
      usage: usageAnswer(end.usage),
      truncated: end.truncated,
      state_lost: end.stateLost ?? false,
      finished_at: timestamp(end.finishedAt),
    })
  }

  /** `pendingBytes`: of a character whose rest is still to come; a reader goes on before them. */
  #output(type: 'stdout' | 'stderr', text: string, pendingBytes = 0): void | Promise<void> {
    if (text === '') return
    return this.#send({ type, text, timestamp: this.#timestampMs / 1000, offset: this.#offset - pendingBytes })
  }
}

const AT = '2026-01-15T09:30:00.100Z'

/** For the document. */
export const LIVE_EXAMPLES: Record<string, ExecutionEvent> = {
  start: {
    type: 'start',
    process_id: 'p7d0c41',
    created_at: AT,
    language: 'python',
    context_id: 'default-python',
  },
  stdout: { type: 'stdout', text: '42\n', timestamp: 1_768_469_400.123, offset: 3 },
  result: {
    type: 'result',
    result: resultAnswer({ data: { 'text/plain': '42' }, main: true, displayId: null, truncated: [] }),
    update: false,
    offset: 3,
  },
  error: { type: 'error', error: { name: 'KeyError', value: "'x'", traceback: null } },
  end: {
    type: 'end',
    exit_code: 0,
    reason: 'exited',
    signal: null,
    usage: USAGE,
    truncated: false,
    state_lost: false,
    finished_at: '2026-01-15T09:30:00.140Z',
  },
}

import { linkLost } from './agent-errors.ts'
import { AnswerError } from './answers.ts'
import type { AgentCall } from './call.ts'
import { MixedParser } from './mixed.ts'
import type { AgentSession } from './session.ts'
import type { OutputEvent, OutputStream } from './types.ts'

/** A mixed stream as it comes. One `next` at a time; the stream is read no faster than that. */
export class OutputReader implements OutputStream {
  readonly #session: AgentSession
  readonly #call: AgentCall
  readonly #parser = new MixedParser()
  /** A stream that was asked to end at what there is needs no `ended`. */
  readonly #needsEnd: boolean
  #events: OutputEvent[] = []
  #at = 0

  constructor(session: AgentSession, call: AgentCall, options: { needsEnd: boolean }) {
    this.#session = session
    this.#call = call
    this.#needsEnd = options.needsEnd
  }

  async next(): Promise<IteratorResult<OutputEvent, undefined>> {
    for (;;) {
      const event = this.#events[this.#at++]
      if (event !== undefined) return { done: false, value: event }
      const chunk = await this.#call.next()
      if (chunk === null) break
      this.#events = this.#parse(chunk)
      this.#at = 0
    }
    if (this.#needsEnd && !this.#parser.ended) throw linkLost('the output of the process was cut')
    return { done: true, value: undefined }
  }

  async return(): Promise<IteratorResult<OutputEvent, undefined>> {
    this.close()
    return { done: true, value: undefined }
  }

  close(): void {
    this.#events = []
    if (this.#parser.ended) this.#call.finish()
    else this.#call.close()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #parse(chunk: Buffer): OutputEvent[] {
    try {
      return this.#parser.push(chunk)
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error
      throw this.#session.violated(error.message)
    }
  }
}

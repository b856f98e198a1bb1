import type { FastifyReply } from 'fastify'
import { SandboxError } from '../errors.ts'
import { clientGone } from './client-gone.ts'

/** Answers that end when their clients leave: a stop of the server does not wait for them, it ends them. */
export class EndlessAnswers {
  readonly #open = new Set<AbortController>()
  #ended = false

  /** Aborts with CLIENT_GONE when the client leaves, with SHUTTING_DOWN when the server stops. */
  signal(reply: FastifyReply): AbortSignal {
    const end = new AbortController()
    const gone = clientGone(reply)
    gone.addEventListener('abort', () => end.abort(gone.reason))
    reply.raw.once('close', () => this.#open.delete(end))
    this.#open.add(end)
    if (this.#ended) end.abort(stopping())
    return end.signal
  }

  end(): void {
    this.#ended = true
    for (const end of this.#open) end.abort(stopping())
  }
}

function stopping(): SandboxError {
  return new SandboxError('SHUTTING_DOWN', 'the server is stopping; what runs in the sandbox runs on', {
    details: { retryAfterSeconds: 5 },
  })
}

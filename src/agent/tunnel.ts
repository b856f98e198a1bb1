import { Duplex, PassThrough } from 'node:stream'
import { readPorts } from './answers.ts'
import type { AgentCall } from './call.ts'
import { requestJson } from './requests.ts'
import type { AgentSession } from './session.ts'
import type { CallOptions, ListeningPort } from './types.ts'

const ANSWER_MARGIN_MS = 15_000

/** Resolves when it is connected to what listens on the port inside the sandbox. PORT_NOT_OPEN, TUNNEL_LIMIT_REACHED. */
export async function openTunnel(session: AgentSession, port: number, { signal }: CallOptions): Promise<Duplex> {
  const up = new PassThrough({ highWaterMark: 256 * 1024 })
  const { call } = await session.open('POST', `/v1/tunnel?port=${port}`, { signal, body: up })
  return new Tunnel(call, up)
}

/**
 * Resolves when a program in the sandbox has connected to the way out, which the first call opens at this port of its loopback;
 * however long that takes. PORT_NOT_OPEN where something else has the port.
 */
export async function acceptEgress(session: AgentSession, port: number, { signal }: CallOptions): Promise<Duplex> {
  const up = new PassThrough({ highWaterMark: 256 * 1024 })
  const { call } = await session.open('POST', `/v1/egress/accept?port=${port}`, { signal, timeoutMs: null, body: up })
  return new Tunnel(call, up)
}

/** One answer for each address that is listened on, by port. */
export function listPorts(session: AgentSession, { signal }: CallOptions): Promise<ListeningPort[]> {
  return requestJson(session, 'GET', '/v1/ports', { signal }, (value) => readPorts(value).ports)
}

/** The same as soon as something listens on the port, or after the time: `open` says which. */
export function waitForPort(
  session: AgentSession,
  port: number,
  waitMs: number,
  { signal }: CallOptions,
): Promise<{ ports: ListeningPort[]; open: boolean }> {
  const path = `/v1/ports?wait=${port}&timeout_ms=${waitMs}`
  return requestJson(session, 'GET', path, { signal, timeoutMs: waitMs + ANSWER_MARGIN_MS }, readPorts)
}

/** A connection to a port as Node's streams know one. It fails when it is cut; a whole end is an end. */
class Tunnel extends Duplex {
  readonly #call: AgentCall
  readonly #up: PassThrough

  constructor(call: AgentCall, up: PassThrough) {
    super({ allowHalfOpen: true, highWaterMark: 256 * 1024 })
    this.#call = call
    this.#up = up
    // It may be lost while nobody has it yet, and while it waits for its next use.
    this.on('error', () => {})
  }

  /** Node's HTTP agent asks its connections for it. */
  ref(): this {
    return this
  }

  override _read(): void {
    this.#call.next().then(
      (chunk) => this.push(chunk),
      (error: Error) => this.destroy(error),
    )
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.#up.write(chunk)) done()
    else this.#up.once('drain', done)
  }

  override _final(done: () => void): void {
    this.#up.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#call.close()
    this.#up.destroy()
    done(error)
  }
}

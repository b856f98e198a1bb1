import type { Duplex } from 'node:stream'
import { type EgressTarget, hostOf } from './rules.ts'

/** SOCKS5 (RFC 1928), CONNECT without authentication. */
const VERSION = 5
const HEAD_MS = 10_000
const MOST_BYTES = 1024

export const SOCKS_ANSWER = { ok: 0, refused: 2, unreachable: 4, command: 7, address: 8 } as const

/** Reads greeting and request; what came beyond it is put back. Throws where it is no SOCKS5 that we speak; the caller destroys the stream. */
export async function readSocksRequest(stream: Duplex): Promise<EgressTarget> {
  const reader = new Reader(stream)
  const timer = setTimeout(() => stream.destroy(new Error('no request came in time')), HEAD_MS)
  try {
    const [version, methods = 0] = await reader.take(2)
    const offered = await reader.take(methods)
    if (version !== VERSION || !offered.includes(0)) {
      stream.write(Buffer.from([VERSION, 0xff]))
      throw new Error('SOCKS5 without authentication only')
    }
    stream.write(Buffer.from([VERSION, 0]))
    const [, command, , kind] = await reader.take(4)
    const host = await readHost(reader, kind)
    const port = (await reader.take(2)).readUInt16BE()
    if (command !== 1) return refuse(stream, SOCKS_ANSWER.command)
    if (host === null || port === 0) return refuse(stream, SOCKS_ANSWER.address)
    return { host, port }
  } finally {
    clearTimeout(timer)
    reader.giveBack()
  }
}

export function answerSocks(stream: Duplex, answer: number): void {
  stream.write(Buffer.from([VERSION, answer, 0, 1, 0, 0, 0, 0, 0, 0]))
}

function refuse(stream: Duplex, answer: number): never {
  answerSocks(stream, answer)
  throw new Error('a request that is not supported')
}

async function readHost(reader: Reader, kind: number | undefined): Promise<string | null> {
  if (kind === 1) return [...(await reader.take(4))].join('.')
  if (kind === 3) return hostOf((await reader.take((await reader.take(1))[0] ?? 0)).toString('latin1'))
  if (kind !== 4) return null
  const bytes = await reader.take(16)
  return hostOf(Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16)).join(':'))
}

class Reader {
  readonly #stream: Duplex
  #held = Buffer.alloc(0)
  #taken = 0

  constructor(stream: Duplex) {
    this.#stream = stream
  }

  async take(count: number): Promise<Buffer> {
    this.#taken += count
    if (this.#taken > MOST_BYTES) throw new Error('the request is too long')
    while (this.#held.length < count) this.#held = Buffer.concat([this.#held, await nextChunk(this.#stream)])
    const part = this.#held.subarray(0, count)
    this.#held = this.#held.subarray(count)
    return part
  }

  giveBack(): void {
    if (this.#held.length > 0 && !this.#stream.destroyed) this.#stream.unshift(this.#held)
  }
}

/** The next bytes of a paused stream. Rejects at its end. */
export async function nextChunk(stream: Duplex): Promise<Buffer> {
  for (;;) {
    const chunk = stream.read() as Buffer | null
    if (chunk !== null) return chunk
    if (stream.readableEnded || stream.destroyed) throw new Error('the connection ended early')
    await readable(stream)
  }
}

function readable(stream: Duplex): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const events = ['readable', 'end', 'close'] as const
  for (const event of events) stream.once(event, resolve)
  stream.once('error', reject)
  return promise.finally(() => {
    for (const event of events) stream.off(event, resolve)
    stream.off('error', reject)
  })
}

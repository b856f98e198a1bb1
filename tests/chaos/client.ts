import { createHash } from 'node:crypto'
import { request } from 'node:http'

/** How a request ended. `unsent`: nobody listened. `broken`: no answer, the connection ended. `hung`: neither within the deadline. */
export type Outcome =
  | { kind: 'answer'; status: number; body: Buffer }
  | { kind: 'unsent' }
  | { kind: 'broken'; error: string }
  | { kind: 'hung' }

export interface Call {
  method: string
  path: string
  /** An object goes as JSON, bytes as they are. */
  body?: object | Buffer
  headers?: Record<string, string>
  /** The client leaves after so long. */
  leaveAfterMs?: number
}

/** No request may take longer, whatever happens meanwhile: the engine's own deadlines are within it. */
export const REQUEST_LIMIT_MS = 90_000

/** One request on a connection of its own. Never rejects. */
export function send(url: string, { method, path, body, headers = {}, leaveAfterMs }: Call): Promise<Outcome> {
  const payload = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body))
  const type = Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json'
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  const call = request(`${url}${path}`, {
    method,
    agent: false,
    headers: { ...(payload ? { 'content-type': type, 'content-length': payload.length } : {}), ...headers },
  })
  const limit = setTimeout(() => end({ kind: 'hung' }), leaveAfterMs ?? REQUEST_LIMIT_MS)
  const end = (outcome: Outcome) => {
    clearTimeout(limit)
    call.destroy()
    resolve(outcome.kind === 'hung' && leaveAfterMs !== undefined ? { kind: 'broken', error: 'left' } : outcome)
  }
  call.on('error', ({ code, message }: NodeJS.ErrnoException) =>
    end(code === 'ECONNREFUSED' ? { kind: 'unsent' } : { kind: 'broken', error: code ?? message }),
  )
  call.on('response', (response) => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('error', (error) => end({ kind: 'broken', error: error.message }))
    response.on('close', () => {
      if (!response.complete) return end({ kind: 'broken', error: 'cut' })
      end({ kind: 'answer', status: response.statusCode ?? 0, body: Buffer.concat(chunks) })
    })
  })
  call.end(payload)
  return promise
}

/** The JSON of an answer; an empty object for what is none. */
export function parsed<T>(outcome: Outcome): Partial<T> {
  if (outcome.kind !== 'answer') return {}
  try {
    return JSON.parse(outcome.body.toString()) as T
  } catch {
    return {}
  }
}

/** For the story: what came back, short. */
export function described(outcome: Outcome): string {
  if (outcome.kind === 'broken') return `broken (${outcome.error})`
  if (outcome.kind !== 'answer') return outcome.kind.toUpperCase()
  const { code, detail } = parsed<{ code: string; detail: string }>(outcome)
  return code === undefined ? String(outcome.status) : `${outcome.status} ${code}: ${String(detail).slice(0, 160)}`
}

export function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

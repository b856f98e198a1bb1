import { AnswerError } from './answers.ts'
import type { AgentSession, Method, RequestOptions } from './session.ts'
import type { AgentPath } from './types.ts'

/** Largest JSON answer but for listings. */
const JSON_LIMIT_BYTES = 1024 * 1024

export interface JsonRequest extends Omit<RequestOptions, 'body'> {
  body?: object | undefined
  limitBytes?: number | undefined
}

/** One request with a JSON answer, checked by `read`; an answer that fails the check ends the session. */
export async function requestJson<T>(
  session: AgentSession,
  method: Method,
  path: string,
  { body, limitBytes = JSON_LIMIT_BYTES, ...options }: JsonRequest,
  read: (value: unknown) => T,
): Promise<T> {
  const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
  return checked(session, await session.json(method, path, { ...options, body: bytes }, limitBytes), read)
}

/** One request whose answer says no more than that it worked. */
export async function requestNothing(
  session: AgentSession,
  method: Method,
  path: string,
  request: JsonRequest,
): Promise<void> {
  await requestJson(session, method, path, request, () => undefined)
}

/** `read`'s result; what it refuses ends the session. */
export function checked<T>(session: AgentSession, value: unknown, read: (value: unknown) => T): T {
  try {
    return read(value)
  } catch (error) {
    if (error instanceof AnswerError) throw session.violated(error.message)
    throw error
  }
}

/** Percent-encoded bytes, for a query value. */
export function encodePath(path: AgentPath): string {
  if (typeof path === 'string') return encodeURIComponent(path.toWellFormed())
  let encoded = ''
  for (const byte of path) encoded += `%${byte.toString(16).padStart(2, '0')}`
  return encoded
}

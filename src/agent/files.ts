import type { Readable } from 'node:stream'
import { AnswerError, readEntries, readEntry, readUnpacked } from './answers.ts'
import { checked, encodePath, requestJson, requestNothing } from './requests.ts'
import type { AgentSession } from './session.ts'
import type { AgentBody, AgentEntry, AgentPath, ByteRange, CallOptions, FileContent } from './types.ts'

/** Most of a listing's JSON for one entry: a name of 255 bytes, escaped, twice, and a link's target. */
const ENTRY_LIMIT_BYTES = 4 * 1024
const LIST_LIMIT_BYTES = 64 * 1024 * 1024
/** Between the last byte of an upload and its answer: the agent may have to write all of it to a slow disk. */
const WRITE_TIMEOUT_MS = 120_000

const target = (path: AgentPath, user: string) => `path=${encodePath(path)}&user=${encodeURIComponent(user)}`

/** Of what a symlink points to, or with `follow: false` of the link itself. */
export function stat(
  session: AgentSession,
  path: AgentPath,
  user: string,
  { signal, follow = true }: CallOptions & { follow?: boolean },
): Promise<AgentEntry> {
  return requestJson(
    session,
    'GET',
    `/v1/files/stat?${target(path, user)}&follow=${follow ? 1 : 0}`,
    { signal },
    readEntry,
  )
}

/** Sorted by the bytes of the names; `truncated` when there are more than `limit`. */
export function list(
  session: AgentSession,
  path: AgentPath,
  user: string,
  { signal, limit = 10_000 }: CallOptions & { limit?: number },
): Promise<{ entries: AgentEntry[]; truncated: boolean }> {
  const limitBytes = Math.min(LIST_LIMIT_BYTES, (limit + 1) * ENTRY_LIMIT_BYTES)
  return requestJson(
    session,
    'GET',
    `/v1/files/list?${target(path, user)}&limit=${limit}`,
    { signal, limitBytes },
    (value) => readEntries(value, limit),
  )
}

export async function readFile(
  session: AgentSession,
  path: AgentPath,
  user: string,
  { signal, range }: CallOptions & { range?: ByteRange | undefined },
): Promise<FileContent> {
  const headers = range === undefined ? undefined : { range: `bytes=${range.start}-${range.end ?? ''}` }
  const answer = await session.open('GET', `/v1/files/content?${target(path, user)}`, { signal, headers })
  const sizeBytes = readSize(session, answer.headers['k2-file-size'])
  const lengthBytes = readSize(session, answer.headers['content-length'])
  const offset = answer.status === 206 ? (range?.start ?? 0) : 0
  return { sizeBytes, offset, lengthBytes, body: answer.call }
}

/** Atomic: the file has its old content or the new one. `mode`: 12 bits. A Readable stays the caller's. */
export async function writeFile(
  session: AgentSession,
  path: AgentPath,
  user: string,
  body: Uint8Array | Readable,
  { signal, mode }: CallOptions & { mode?: number | undefined },
): Promise<AgentEntry> {
  const query =
    mode === undefined ? target(path, user) : `${target(path, user)}&mode=${mode.toString(8).padStart(4, '0')}`
  const value = await session.json(
    'PUT',
    `/v1/files/content?${query}`,
    { signal, body, timeoutMs: WRITE_TIMEOUT_MS },
    64 * 1024,
  )
  return checked(session, value, readEntry)
}

export function mkdir(
  session: AgentSession,
  path: string,
  user: string,
  { signal, mode, parents = true }: CallOptions & { mode?: number | undefined; parents?: boolean },
): Promise<AgentEntry> {
  return requestJson(session, 'POST', '/v1/files/mkdir', { signal, body: { path, user, mode, parents } }, readEntry)
}

export function move(
  session: AgentSession,
  from: string,
  to: string,
  user: string,
  { signal, overwrite = false }: CallOptions & { overwrite?: boolean },
): Promise<AgentEntry> {
  return requestJson(session, 'POST', '/v1/files/move', { signal, body: { from, to, user, overwrite } }, readEntry)
}

/** A symlink itself, never what it points to; a folder with what is in it only with `recursive`. */
export function remove(
  session: AgentSession,
  path: AgentPath,
  user: string,
  { signal, recursive = false }: CallOptions & { recursive?: boolean },
): Promise<void> {
  const timeoutMs = WRITE_TIMEOUT_MS
  return requestNothing(session, 'DELETE', `/v1/files?${target(path, user)}&recursive=${recursive ? 1 : 0}`, {
    signal,
    timeoutMs,
  })
}

/** Tar of a file or tree. To be streamed through, never unpacked on the host. */
export async function readTree(
  session: AgentSession,
  path: AgentPath,
  user: string,
  { signal }: CallOptions,
): Promise<AgentBody> {
  const { call } = await session.open('GET', `/v1/files/archive?${target(path, user)}`, { signal })
  return call
}

/** Unpacks a tar below `path`; the agent refuses unsafe entries (ARCHIVE_UNSAFE). A Readable stays the caller's. */
export async function writeTree(
  session: AgentSession,
  path: AgentPath,
  user: string,
  tar: Uint8Array | Readable,
  { signal }: CallOptions,
): Promise<{ entries: number; sizeBytes: number }> {
  const request = { signal, body: tar, timeoutMs: WRITE_TIMEOUT_MS }
  const value = await session.json('PUT', `/v1/files/archive?${target(path, user)}`, request, 64 * 1024)
  return checked(session, value, readUnpacked)
}

function readSize(session: AgentSession, header: unknown): number {
  return checked(session, header, (value) => {
    const size = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
    if (!Number.isSafeInteger(size)) throw new AnswerError('a file has no valid size')
    return size
  })
}

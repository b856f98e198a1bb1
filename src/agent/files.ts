import type { Readable } from 'node:stream'
import {
  AnswerError,
  readDigest,
  readEntries,
  readEntry,
  readGlob,
  readGrep,
  readUnpacked,
  readWatchEvent,
} from './answers.ts'
import { jsonLines } from './json-lines.ts'
import { checked, encodePath, requestJson, requestNothing } from './requests.ts'
import type { AgentSession } from './session.ts'
import type {
  AgentBody,
  AgentEntry,
  AgentPath,
  ByteRange,
  CallOptions,
  FileAttributes,
  FileCondition,
  FileContent,
  GlobFound,
  GlobOptions,
  GrepFound,
  GrepOptions,
  WatchEvent,
  WriteOptions,
} from './types.ts'

/** Most of a listing's JSON for one entry: a name of 255 bytes, escaped, twice, and a link's target. */
const ENTRY_LIMIT_BYTES = 4 * 1024
const LIST_LIMIT_BYTES = 64 * 1024 * 1024
/** Between the last byte of an upload and its answer: the agent may have to write all of it to a slow disk. */
const WRITE_TIMEOUT_MS = 120_000

/** Of what walks a tree or reads a large file whole: the caller's signal is the true limit. */
const TREE_TIMEOUT_MS = 600_000
const GREP_LIMIT_BYTES = 16 * 1024 * 1024

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
  const headers = range === undefined ? undefined : { range: rangeHeader(range) }
  const {
    status,
    headers: got,
    call,
  } = await session.open('GET', `/v1/files/content?${target(path, user)}`, {
    signal,
    headers,
  })
  const partial = status === 206
  const lengthBytes = readSize(session, got['content-length'])
  return {
    sizeBytes: readSize(session, got['k2-file-size']),
    offset: partial ? readOffset(session, got['content-range']) : 0,
    lengthBytes,
    partial,
    etag: readToken(got['k2-file-etag']),
    mode: readNumber(got['k2-file-mode'], 8),
    mtime: readNumber(got['k2-file-mtime'], 10),
    body: call,
  }
}

/** Atomic: the file has its old content or the new one. A Readable stays the caller's. PRECONDITION_FAILED. */
export async function writeFile(
  session: AgentSession,
  path: AgentPath,
  user: string,
  body: Uint8Array | Readable,
  { signal, mode, owner, ...condition }: WriteOptions,
): Promise<AgentEntry> {
  const query = [target(path, user), conditionOf(condition)]
  if (mode !== undefined) query.push(`&mode=${mode.toString(8).padStart(4, '0')}`)
  if (owner !== undefined) query.push(`&owner=${encodeURIComponent(owner)}`)
  const value = await session.json(
    'PUT',
    `/v1/files/content?${query.join('')}`,
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
  { signal, recursive = false, ...condition }: CallOptions & FileCondition & { recursive?: boolean },
): Promise<void> {
  const query = `${target(path, user)}&recursive=${recursive ? 1 : 0}${conditionOf(condition)}`
  return requestNothing(session, 'DELETE', `/v1/files?${query}`, { signal, timeoutMs: WRITE_TIMEOUT_MS })
}

/** A file, or a tree with its links as links. */
export function copy(
  session: AgentSession,
  from: string,
  to: string,
  user: string,
  { signal, overwrite = false }: CallOptions & { overwrite?: boolean },
): Promise<AgentEntry> {
  const request = { signal, timeoutMs: TREE_TIMEOUT_MS, body: { from, to, user, overwrite } }
  return requestJson(session, 'POST', '/v1/files/copy', request, readEntry)
}

export function setAttributes(
  session: AgentSession,
  path: string,
  user: string,
  attributes: FileAttributes,
  { signal }: CallOptions,
): Promise<AgentEntry> {
  const request = { signal, timeoutMs: TREE_TIMEOUT_MS, body: { path, user, ...attributes } }
  return requestJson(session, 'POST', '/v1/files/attributes', request, readEntry)
}

/** Base64 of the content's digest. */
export function digest(
  session: AgentSession,
  path: AgentPath,
  user: string,
  algorithm: 'sha256' | 'sha512',
  { signal }: CallOptions,
): Promise<{ digest: string; sizeBytes: number; etag: string | null }> {
  const query = `${target(path, user)}&algorithm=${algorithm}`
  return requestJson(session, 'GET', `/v1/files/digest?${query}`, { signal, timeoutMs: TREE_TIMEOUT_MS }, readDigest)
}

/** Sorted by the bytes of the paths. */
export function glob(
  session: AgentSession,
  path: AgentPath,
  user: string,
  { pattern, limit, hidden }: GlobOptions,
  { signal }: CallOptions,
): Promise<GlobFound> {
  const query = `${target(path, user)}&pattern=${encodePath(pattern)}&limit=${limit}&hidden=${hidden ? 1 : 0}`
  const limitBytes = Math.min(LIST_LIMIT_BYTES, (limit + 1) * ENTRY_LIMIT_BYTES)
  const request = { signal, timeoutMs: TREE_TIMEOUT_MS, limitBytes }
  return requestJson(session, 'GET', `/v1/files/glob?${query}`, request, (value) => readGlob(value, limit))
}

export function grep(
  session: AgentSession,
  path: string,
  user: string,
  { ignoreCase, ...options }: GrepOptions,
  { signal }: CallOptions,
): Promise<GrepFound> {
  const body = { path, user, ignore_case: ignoreCase, ...options }
  const request = { signal, timeoutMs: TREE_TIMEOUT_MS, limitBytes: GREP_LIMIT_BYTES, body }
  return requestJson(session, 'POST', '/v1/files/grep', request, (value) => readGrep(value, options.limit))
}

/** What happens below a path, as it happens, until the caller leaves or nothing is left to watch. The loop's end ends it. */
export async function* watch(
  session: AgentSession,
  path: AgentPath,
  user: string,
  { recursive, signal }: CallOptions & { recursive: boolean },
): AsyncGenerator<WatchEvent, void, undefined> {
  const query = `${target(path, user)}&recursive=${recursive ? 1 : 0}`
  const { call } = await session.open('GET', `/v1/files/watch?${query}`, { signal, timeoutMs: TREE_TIMEOUT_MS })
  for await (const line of jsonLines(session, call)) yield checked(session, line, readWatchEvent)
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

/** Unpacks a tar below `path`, at most `maxBytes` of content; the agent refuses unsafe entries (ARCHIVE_UNSAFE). A Readable stays the caller's. */
export async function writeTree(
  session: AgentSession,
  path: AgentPath,
  user: string,
  tar: Uint8Array | Readable,
  { signal, maxBytes }: CallOptions & { maxBytes?: number | undefined },
): Promise<{ entries: number; sizeBytes: number }> {
  const request = { signal, body: tar, timeoutMs: WRITE_TIMEOUT_MS }
  const most = maxBytes === undefined ? '' : `&max_bytes=${maxBytes}`
  const value = await session.json('PUT', `/v1/files/archive?${target(path, user)}${most}`, request, 64 * 1024)
  return checked(session, value, readUnpacked)
}

function rangeHeader(range: ByteRange): string {
  return 'last' in range ? `bytes=-${range.last}` : `bytes=${range.start}-${range.end ?? ''}`
}

function conditionOf({ ifMatch, ifNoneMatch }: FileCondition): string {
  const parts = [
    ['if_match', ifMatch],
    ['if_none_match', ifNoneMatch],
  ]
  return parts.map(([name, value]) => (value === undefined ? '' : `&${name}=${encodeURIComponent(value)}`)).join('')
}

function readOffset(session: AgentSession, header: unknown): number {
  return checked(session, header, (value) => {
    const found = typeof value === 'string' ? /^bytes (\d{1,16})-\d{1,16}\//.exec(value)?.[1] : undefined
    if (found === undefined) throw new AnswerError('a part of a file has no content-range')
    return Number(found)
  })
}

function readToken(header: unknown): string | null {
  return typeof header === 'string' && /^[A-Za-z0-9-]{1,128}$/.test(header) ? header : null
}

/** null for what is none. */
function readNumber(header: unknown, radix: 8 | 10): number | null {
  return typeof header === 'string' && /^-?\d{1,16}$/.test(header) ? Number.parseInt(header, radix) : null
}

function readSize(session: AgentSession, header: unknown): number {
  return checked(session, header, (value) => {
    const size = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
    if (!Number.isSafeInteger(size)) throw new AnswerError('a file has no valid size')
    return size
  })
}

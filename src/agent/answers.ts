import type {
  AgentContext,
  AgentEntry,
  AgentInfo,
  FileEventType,
  GlobFound,
  GrepFound,
  GrepMatch,
  ListeningPort,
  PreparedUser,
  ProcessReason,
  ProcessStatus,
  RunEvent,
  TerminalSize,
  WatchEvent,
} from './types.ts'

/**
 * Shapes and ranges of the agent's answers, which may come from whoever is root in the sandbox. Each takes what JSON.parse
 * gave and copies the known members; an AnswerError says what is wrong.
 */
export class AnswerError extends Error {}

type Json = Record<string, unknown>

export function readInfo(value: unknown): AgentInfo {
  const json = object(value, 'info')
  if (json.protocol !== 1) throw new AnswerError('it speaks another protocol version than 1')
  return {
    version: text(json, 'version', 200),
    bootId: text(json, 'boot_id', 200),
    startedAt: count(json, 'started_at'),
    pid: count(json, 'pid'),
    processes: count(json, 'processes'),
  }
}

export function readPreparedUser(value: unknown): PreparedUser {
  const json = object(value, 'prepare')
  return {
    uid: count(json, 'uid'),
    gid: count(json, 'gid'),
    name: text(json, 'name', 4096),
    home: text(json, 'home', 4096),
    shell: text(json, 'shell', 4096),
    cwdCreated: flag(json, 'cwd_created'),
    cwdAccessible: flag(json, 'cwd_accessible'),
  }
}

const REASONS: ReadonlySet<string> = new Set<ProcessReason>([
  'exited',
  'signaled',
  'timeout',
  'out_of_memory',
  'killed',
  'restarted',
])
const SIGNAL = /^[A-Z0-9+-]{1,24}$/

export function readStatus(value: unknown): ProcessStatus {
  const json = object(value, 'a process status')
  const state = text(json, 'state', 16)
  if (state !== 'running' && state !== 'exited') throw new AnswerError('state is neither running nor exited')
  const reason = optionalText(json, 'reason', 32)
  if (reason !== null && !REASONS.has(reason)) throw new AnswerError('reason is not one of the known')
  const signal = optionalText(json, 'signal', 24)
  if (signal !== null && !SIGNAL.test(signal)) throw new AnswerError('signal is no signal name')
  const exitCode = optionalCount(json, 'exit_code')
  if (exitCode !== null && exitCode > 255) throw new AnswerError('exit_code is above 255')
  if (state === 'exited' && (exitCode === null || reason === null))
    throw new AnswerError('an exited process has no exit_code or reason')
  return {
    id: text(json, 'id', 64),
    pid: count(json, 'pid'),
    argv: list(json, 'argv').map((word) => string(word, 'argv')),
    cwd: string(json.cwd, 'cwd'),
    user: text(json, 'user', 4096),
    state,
    startedAt: count(json, 'started_at'),
    endedAt: optionalCount(json, 'ended_at'),
    exitCode,
    signal,
    reason: reason as ProcessReason | null,
    cpuSeconds: amount(json, 'cpu_seconds'),
    peakMemoryBytes: count(json, 'peak_memory_bytes'),
    wallSeconds: amount(json, 'wall_seconds'),
    outputBytes: count(json, 'output_bytes'),
    droppedBytes: count(json, 'dropped_bytes'),
    leftovers: count(json, 'leftovers'),
    label: optionalText(json, 'label', 1024),
    keepAlive: json.keep_alive === true,
    pty: json.pty === null || json.pty === undefined ? null : readTerminalSize(json.pty),
    contextId: optionalText(json, 'context_id', 64),
    stateLost: json.state_lost === true,
  }
}

function readTerminalSize(value: unknown): TerminalSize {
  const json = object(value, 'pty')
  return { cols: count(json, 'cols'), rows: count(json, 'rows') }
}

const CONTEXT_STATES: ReadonlySet<string> = new Set<AgentContext['state']>(['starting', 'idle', 'busy', 'dead'])

export function readContext(value: unknown): AgentContext {
  const json = object(value, 'a context')
  const state = text(json, 'state', 16)
  if (!CONTEXT_STATES.has(state)) throw new AnswerError('state of a context is not one of the known')
  return {
    id: text(json, 'id', 64),
    language: text(json, 'language', 64),
    version: text(json, 'version', 200),
    cwd: string(json.cwd, 'cwd'),
    user: text(json, 'user', 4096),
    state: state as AgentContext['state'],
    createdAt: count(json, 'created_at'),
    runs: count(json, 'execution_count'),
    restarts: count(json, 'restarts'),
  }
}

export function readContexts(value: unknown): AgentContext[] {
  return list(object(value, 'contexts'), 'contexts').map(readContext)
}

const MOST_FORMS = 64
const MOST_TRACEBACK_LINES = 10_000
const NAME_LIMIT = 200

/**
 * An event of a run. The agent passes on what the user's program may have written itself, so what has not the shape is no fault
 * of the agent's: null.
 */
export function readRunEvent(value: unknown): RunEvent | null {
  if (typeof value !== 'object' || value === null) return null
  const json = value as Json
  if (json.type === 'display') {
    const { data } = json
    if (typeof data !== 'object' || data === null || Array.isArray(data)) return null
    const forms = Object.entries(data).slice(0, MOST_FORMS)
    return {
      type: 'display',
      data: Object.fromEntries(forms.filter(([mime]) => mime.length <= NAME_LIMIT)),
      main: json.main === true,
      displayId: typeof json.display_id === 'string' ? json.display_id.slice(0, NAME_LIMIT) : null,
      update: json.update === true,
      truncated: strings(json.truncated, MOST_FORMS) ?? [],
    }
  }
  if (json.type !== 'error' || typeof json.name !== 'string' || typeof json.value !== 'string') return null
  return {
    type: 'error',
    name: json.name.slice(0, NAME_LIMIT),
    value: json.value,
    traceback: strings(json.traceback, MOST_TRACEBACK_LINES),
  }
}

function strings(value: unknown, most: number): string[] | null {
  return Array.isArray(value) ? value.slice(0, most).filter((one) => typeof one === 'string') : null
}

export function readStatuses(value: unknown): ProcessStatus[] {
  return list(object(value, 'processes'), 'processes').map(readStatus)
}

export function readKilled(value: unknown): { killed: number; complete: boolean } {
  const json = object(value, 'kill')
  return { killed: count(json, 'killed'), complete: flag(json, 'complete') }
}

const TYPES: ReadonlySet<string> = new Set<AgentEntry['type']>([
  'file',
  'directory',
  'symlink',
  'fifo',
  'socket',
  'char_device',
  'block_device',
])

export function readEntry(value: unknown): AgentEntry {
  const json = object(value, 'an entry')
  const type = text(json, 'type', 16)
  if (!TYPES.has(type)) throw new AnswerError('type of an entry is not one of the known')
  const mode = count(json, 'mode')
  if (mode > 0o7777) throw new AnswerError('mode has more than 12 bits')
  return {
    name: text(json, 'name', 4096),
    nameBase64: optionalText(json, 'name_base64', 8192),
    path: text(json, 'path', 65_536),
    type: type as AgentEntry['type'],
    sizeBytes: count(json, 'size'),
    mode,
    uid: count(json, 'uid'),
    gid: count(json, 'gid'),
    mtime: time(json, 'mtime'),
    target: optionalText(json, 'target', 65_536),
    etag: optionalText(json, 'etag', 128),
  }
}

/** At most `limit` entries: an agent that gives more than it was asked for is not believed. */
export function readEntries(value: unknown, limit: number): { entries: AgentEntry[]; truncated: boolean } {
  const json = object(value, 'a listing')
  const entries = list(json, 'entries')
  if (entries.length > limit) throw new AnswerError('a listing has more entries than were asked for')
  return { entries: entries.map(readEntry), truncated: flag(json, 'truncated') }
}

export function readGlob(value: unknown, limit: number): GlobFound {
  const { entries, truncated } = readEntries(value, limit)
  return { entries, truncated, skipped: count(object(value, 'a listing'), 'skipped') }
}

const LINE_LIMIT = 8192
const CONTEXT_LINES = 100

export function readGrep(value: unknown, limit: number): GrepFound {
  const json = object(value, 'a search')
  const matches = list(json, 'matches')
  if (matches.length > limit) throw new AnswerError('a search has more matches than were asked for')
  return {
    matches: matches.map(readMatch),
    truncated: flag(json, 'truncated'),
    filesSearched: count(json, 'files_searched'),
    filesSkipped: count(json, 'files_skipped'),
  }
}

function readMatch(value: unknown): GrepMatch {
  const json = object(value, 'a match')
  return {
    path: text(json, 'path', 65_536),
    pathBase64: optionalText(json, 'path_base64', 131_072),
    line: count(json, 'line'),
    column: count(json, 'column'),
    text: text(json, 'text', LINE_LIMIT),
    textTruncated: json.text_truncated === true,
    before: lines(json, 'before'),
    after: lines(json, 'after'),
  }
}

function lines(json: Json, key: string): string[] {
  return list(json, key)
    .slice(0, CONTEXT_LINES)
    .map((line) => string(line, key).slice(0, LINE_LIMIT))
}

export function readDigest(value: unknown): { digest: string; sizeBytes: number; etag: string | null } {
  const json = object(value, 'a digest')
  return {
    digest: text(json, 'digest', 128),
    sizeBytes: count(json, 'size'),
    etag: optionalText(json, 'etag', 128),
  }
}

const FILE_EVENTS: ReadonlySet<string> = new Set<FileEventType>(['create', 'write', 'remove', 'rename', 'attributes'])

export function readWatchEvent(value: unknown): WatchEvent {
  const json = object(value, 'an event of a watch')
  const type = text(json, 'type', 16)
  switch (type) {
    case 'ready':
      return { type, skipped: json.skipped === undefined ? 0 : count(json, 'skipped') }
    case 'overflow':
    case 'ping':
      return { type }
    case 'end':
      return { type, reason: text(json, 'reason', 64) }
  }
  if (!FILE_EVENTS.has(type)) throw new AnswerError('type of an event is not one of the known')
  const kind = optionalText(json, 'kind', 16)
  if (kind !== null && !TYPES.has(kind)) throw new AnswerError('kind of an event is not one of the known')
  return {
    type: type as FileEventType,
    path: text(json, 'path', 65_536),
    pathBase64: optionalText(json, 'path_base64', 131_072),
    from: optionalText(json, 'from', 65_536),
    kind: kind as AgentEntry['type'] | null,
    at: count(json, 'at'),
  }
}

export function readPorts(value: unknown): { ports: ListeningPort[]; open: boolean } {
  const json = object(value, 'ports')
  return { ports: list(json, 'ports').map(readPort), open: json.open === true }
}

function readPort(value: unknown): ListeningPort {
  const json = object(value, 'a port')
  const port = count(json, 'port')
  if (port < 1 || port > 65_535) throw new AnswerError('port is out of range')
  return {
    port,
    address: text(json, 'address', 64),
    family: json.family === 'ipv6' ? 'ipv6' : 'ipv4',
    uid: count(json, 'uid'),
    pid: optionalCount(json, 'pid'),
    process: optionalText(json, 'process', 64),
  }
}

export function readUnpacked(value: unknown): { entries: number; sizeBytes: number } {
  const json = object(value, 'an unpacked archive')
  return { entries: count(json, 'entries'), sizeBytes: count(json, 'bytes') }
}

function object(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new AnswerError(`${what} is no object`)
  return value as Json
}

function list(json: Json, key: string): unknown[] {
  const value = json[key]
  // Go writes an empty slice that was never made as null.
  if (value === null || value === undefined) return []
  if (!Array.isArray(value)) throw new AnswerError(`${key} is no array`)
  return value
}

function string(value: unknown, key: string): string {
  if (typeof value !== 'string') throw new AnswerError(`${key} is no string`)
  return value
}

function text(json: Json, key: string, limit: number): string {
  const value = string(json[key], key)
  if (value.length > limit) throw new AnswerError(`${key} is longer than ${limit} characters`)
  return value
}

function optionalText(json: Json, key: string, limit: number): string | null {
  return json[key] === null || json[key] === undefined || json[key] === '' ? null : text(json, key, limit)
}

function flag(json: Json, key: string): boolean {
  const value = json[key]
  if (typeof value !== 'boolean') throw new AnswerError(`${key} is no boolean`)
  return value
}

/** A whole number from 0 to 2^53 - 1. */
function count(json: Json, key: string): number {
  const value = json[key]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new AnswerError(`${key} is no count`)
  return value
}

function optionalCount(json: Json, key: string): number | null {
  return json[key] === null || json[key] === undefined ? null : count(json, key)
}

/** A time stamp that a file may carry: also before 1970. */
function time(json: Json, key: string): number {
  const value = json[key]
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new AnswerError(`${key} is no time`)
  return value
}

/** A number from 0 on, fractions allowed. */
function amount(json: Json, key: string): number {
  const value = json[key]
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw new AnswerError(`${key} is no amount`)
  return value
}

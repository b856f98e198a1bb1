import type { ErrorCode } from '../errors.ts'
import { SandboxError } from '../errors.ts'

/** What the agent calls a failure (agent/README.md) and what we call it. Anything else it says is not believed. */
const CODES = new Map<string, ErrorCode>([
  ['INVALID_REQUEST', 'INVALID_REQUEST'],
  ['NOT_FOUND', 'FILE_NOT_FOUND'],
  ['NOT_A_DIRECTORY', 'PATH_NOT_DIRECTORY'],
  ['IS_A_DIRECTORY', 'PATH_IS_DIRECTORY'],
  ['NOT_A_REGULAR_FILE', 'PATH_NOT_REGULAR_FILE'],
  ['PERMISSION_DENIED', 'PERMISSION_DENIED'],
  ['READ_ONLY', 'PERMISSION_DENIED'],
  ['ALREADY_EXISTS', 'FILE_EXISTS'],
  ['REFUSED', 'PATH_REFUSED'],
  ['ARCHIVE_UNSAFE', 'ARCHIVE_UNSAFE'],
  ['TOO_LARGE', 'FILE_TOO_LARGE'],
  ['NO_SPACE', 'NO_SPACE_IN_SANDBOX'],
  ['USER_NOT_FOUND', 'USER_NOT_FOUND'],
  ['CWD_NOT_FOUND', 'CWD_NOT_FOUND'],
  ['CWD_NOT_A_DIRECTORY', 'CWD_NOT_A_DIRECTORY'],
  ['CWD_NOT_ACCESSIBLE', 'CWD_NOT_ACCESSIBLE'],
  ['COMMAND_NOT_FOUND', 'COMMAND_NOT_FOUND'],
  ['COMMAND_NOT_EXECUTABLE', 'COMMAND_NOT_EXECUTABLE'],
  ['PROCESS_NOT_FOUND', 'PROCESS_NOT_FOUND'],
  ['CONTEXT_NOT_FOUND', 'CONTEXT_NOT_FOUND'],
  ['CONTEXT_EXISTS', 'CONTEXT_EXISTS'],
  ['TOO_MANY_CONTEXTS', 'CONTEXT_LIMIT_REACHED'],
  ['LANGUAGE_NOT_FOUND', 'LANGUAGE_UNAVAILABLE'],
  ['STDIN_CLOSED', 'STDIN_CLOSED'],
  ['TERMINAL_UNAVAILABLE', 'TERMINAL_UNAVAILABLE'],
  ['RANGE_NOT_SATISFIABLE', 'RANGE_NOT_SATISFIABLE'],
  ['PRECONDITION_FAILED', 'PRECONDITION_FAILED'],
  ['WATCH_LIMIT', 'WATCH_LIMIT_REACHED'],
  ['PORT_NOT_OPEN', 'PORT_NOT_OPEN'],
  ['TOO_MANY_TUNNELS', 'TUNNEL_LIMIT_REACHED'],
  ['TOO_MANY_PROCESSES', 'TOO_MANY_PROCESSES'],
  // Not SHUTTING_DOWN: that is this server's own end, this is the sandbox's.
  ['SHUTTING_DOWN', 'SANDBOX_STATE_CONFLICT'],
])

const MESSAGE_LIMIT = 500
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for, with the bidirectional overrides.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g

/** Text of the agent's for people: one line, printable, at most 500 characters. */
export function cleanText(text: string): string {
  const line = text
    .slice(0, MESSAGE_LIMIT * 4)
    .replace(UNPRINTABLE, ' ')
    .toWellFormed()
    .trim()
  return line.length <= MESSAGE_LIMIT ? line : `${line.slice(0, MESSAGE_LIMIT - 1).toWellFormed()}…`
}

const losses = new WeakSet<object>()

/** The connection is gone, or ended a call in the middle: AGENT_UNAVAILABLE. On a new connection it may go on. */
export function linkLost(fact: string, cause?: unknown): SandboxError {
  const error = agentUnavailable(fact, cause)
  losses.add(error)
  return error
}

/** Whether a new connection may help: true for what `linkLost` made, and nothing else. */
export function isLinkLost(thrown: unknown): thrown is SandboxError {
  return typeof thrown === 'object' && thrown !== null && losses.has(thrown)
}

/** The agent is there and can't do it: AGENT_UNAVAILABLE. */
export function agentUnavailable(fact: string, cause?: unknown): SandboxError {
  return new SandboxError('AGENT_UNAVAILABLE', `${fact}; try again`, { cause, details: { retryAfterSeconds: 1 } })
}

/** The agent said what it must not say: AGENT_UNAVAILABLE, and the session that it said it on is to be destroyed. */
export function protocolViolation(fact: string, cause?: unknown): SandboxError {
  return new SandboxError(
    'AGENT_UNAVAILABLE',
    `the sandbox's agent broke its protocol: ${cleanText(fact)}; restart the sandbox`,
    {
      cause,
    },
  )
}

/** An error answer, `{code, message}` or whatever else came with that status. */
export function errorFromAnswer(status: number, body: Buffer): SandboxError {
  const answer = parseErrorAnswer(body)
  const code = answer === null ? undefined : CODES.get(answer.code)
  if (answer !== null && code !== undefined) {
    return new SandboxError(code, answer.message === '' ? `the sandbox refused: ${answer.code}` : answer.message)
  }
  return new SandboxError(
    'AGENT_UNAVAILABLE',
    `the sandbox's agent failed with status ${status}; try again or restart the sandbox`,
    {
      cause: answer === null ? undefined : new Error(`agent: ${answer.code}: ${answer.message}`),
    },
  )
}

function parseErrorAnswer(body: Buffer): { code: string; message: string } | null {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null || !('code' in value) || typeof value.code !== 'string') return null
  const message = 'message' in value && typeof value.message === 'string' ? value.message : ''
  return { code: cleanText(value.code), message: cleanText(message) }
}

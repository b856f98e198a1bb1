import { agentUnavailable } from './agent-errors.ts'
import type { AgentCall } from './call.ts'
import type { AgentSession } from './session.ts'

/** A path of 4 KiB, escaped, twice, in each of two members. */
const LINE_LIMIT_BYTES = 128 * 1024
const NEWLINE = 0x0a

/** An answer of one JSON value a line, as it comes. A line that is too long, or none, ends the session. */
export async function* jsonLines(session: AgentSession, call: AgentCall): AsyncGenerator<unknown, void, undefined> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of call) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      yield parse(session, rest.subarray(0, end))
      rest = rest.subarray(end + 1)
    }
    if (rest.length > LINE_LIMIT_BYTES) throw session.violated('a line of an answer is too long')
  }
  if (rest.length > 0) throw agentUnavailable('an answer ended in the middle of a line')
}

function parse(session: AgentSession, line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'))
  } catch (error) {
    throw session.violated('a line of an answer is not JSON', error)
  }
}

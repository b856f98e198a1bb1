import { PtyQuery } from '../../schemas/pty.ts'
import type { Static } from '../../schemas/typebox.ts'
import type {
  CallOptions,
  OnRunEvent,
  OutputStreams,
  RunEnd,
  RunningProcess,
  StartedProcess,
  TerminalSize,
} from '../core/model.ts'
import { TerminalInput } from '../core/terminal-input.ts'
import { SandboxError } from '../errors.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import type { EndlessAnswers } from '../http/endless.ts'
import { operation } from '../http/operation.ts'
import { toError, toProblem } from '../http/problem.ts'
import { requireUpgrade } from '../http/upgrade.ts'
import { acceptSocket, CLOSE, type Message, type Socket } from '../http/web-socket.ts'
import { usageAnswer } from './execution-answer.ts'
import { processAnswer } from './process-answer.ts'
import { RUN_ERRORS, SandboxParams } from './sandbox-id.ts'

export interface PtyRoutesOptions {
  processes: {
    start(id: string, request: StartedProcess, options: CallOptions): Promise<RunningProcess>
    get(id: string, processId: string, options: CallOptions): Promise<RunningProcess>
    writeStdin(id: string, processId: string, bytes: Uint8Array, options: CallOptions): Promise<void>
    resize(id: string, processId: string, size: TerminalSize, options: CallOptions): Promise<RunningProcess>
    remove(id: string, processId: string, options: CallOptions): Promise<void>
  }
  output: {
    follow(
      id: string,
      processId: string,
      from: { offset?: number | undefined; tail?: number | undefined; streams?: OutputStreams | undefined },
      onEvent: OnRunEvent,
      options: CallOptions,
    ): Promise<RunEnd>
  }
  endless: EndlessAnswers
  heartbeatMs: number
  stalledMs: number
}

/** With this subprotocol text messages are control; without, as xterm.js's own addon has it, they are typed. */
const CONTROL_PROTOCOL = 'k2.pty.v1'
/** What a client that comes back to a terminal sees of before: many screens. */
const RECENT_BYTES = 64 * 1024
const REMOVE_LIMIT_MS = 10_000
const DEFAULT_SIZE: TerminalSize = { cols: 80, rows: 24 }

export async function ptyRoutes(
  app: TypedApp,
  { processes, output, endless, heartbeatMs, stalledMs }: PtyRoutesOptions,
): Promise<void> {
  app.get('/sandboxes/:sandbox_id/pty', { schema: openPty, exposeHeadRoute: false }, async (request, reply) => {
    requireUpgrade(request, reply)
    const { params, query } = request
    const id = params.sandbox_id
    // Refusals come before the handshake: they are ordinary answers.
    const isNew = query.process_id === undefined
    const process = isNew
      ? await processes.start(id, toTerminal(query), { signal: clientGone(reply) })
      : await processes.get(id, query.process_id ?? '', { signal: clientGone(reply) })
    if (process.pty === null)
      throw new SandboxError('INVALID_REQUEST', `process "${process.id}" has no terminal; start it with pty`)
    const accepted = acceptSocket(request, reply, { protocols: [CONTROL_PROTOCOL], heartbeatMs, stalledMs })
    const socket = await accepted.catch(async (error: unknown) => {
      // Nobody knows of it, so nobody could come back to it.
      if (isNew) await processes.remove(id, process.id, { signal: AbortSignal.timeout(REMOVE_LIMIT_MS) })
      throw error
    })
    const signal = endless.signal(reply)
    const takesControl = socket.protocol === CONTROL_PROTOCOL
    const tell = (message: object) => (takesControl ? socket.send(JSON.stringify(message)) : undefined)
    const fail = async (thrown: unknown) => {
      const error = toError(thrown)
      if (error.code === 'CLIENT_GONE') return
      request.log.info({ code: error.code, detail: error.message }, 'terminal ended')
      await tell({ type: 'problem', problem: toProblem(error, request.id) })
      await socket.close(error.code === 'SHUTTING_DOWN' ? CLOSE.goingAway : CLOSE.failed, error.message)
    }
    const input = new TerminalInput(
      (bytes) => processes.writeStdin(id, process.id, bytes, { signal }),
      (error) => void fail(error),
    )
    socket.onMessage((message) => {
      if (!takesControl || !message.isText) return input.type(message.bytes)
      return control(message, tell, async (size) => {
        await processes.resize(id, process.id, size, { signal })
      })
    })
    const from = isNew ? { offset: 0 } : query.offset === undefined ? { tail: RECENT_BYTES } : { offset: query.offset }
    await tell({ type: 'start', process: processAnswer(process) })
    await output
      .follow(id, process.id, from, showOn(socket, tell), { signal })
      .then((end) => finish(socket, end, tell), fail)
    return reply
  })
}

function toTerminal(query: Static<typeof PtyQuery>): StartedProcess {
  const { cols = DEFAULT_SIZE.cols, rows = DEFAULT_SIZE.rows } = query
  return {
    command: query.command,
    cwd: query.cwd || undefined,
    user: query.user,
    tag: query.tag,
    pty: { cols, rows },
  }
}

type Tell = (message: object) => void | Promise<void>

function showOn(socket: Socket, tell: Tell): OnRunEvent {
  return (event) => {
    if (event.type === 'stdout') return socket.send(event.bytes)
    if (event.type === 'dropped') return tell({ type: 'dropped', bytes: event.sizeBytes })
  }
}

async function finish(socket: Socket, end: RunEnd, tell: Tell): Promise<void> {
  const { exitCode, reason, signal, usage } = end
  await tell({ type: 'end', exit_code: exitCode, reason, signal, usage: usageAnswer(usage) })
  await socket.close(CLOSE.normal, signal ?? `exit ${exitCode}`)
}

/** A message that can't be understood is told, and changes nothing. */
async function control(message: Message, tell: Tell, resize: (size: TerminalSize) => Promise<void>): Promise<void> {
  try {
    await resize(readResize(message.bytes.toString('utf8')))
  } catch (thrown) {
    await tell({ type: 'problem', problem: toProblem(toError(thrown), '') })
  }
}

function readResize(text: string): TerminalSize {
  const { type, cols, rows } = parse(text)
  const isSize = (value: unknown): value is number =>
    Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 1000
  if (type === 'resize' && isSize(cols) && isSize(rows)) return { cols, rows }
  throw new SandboxError('INVALID_REQUEST', 'send {"type":"resize","cols":80,"rows":24}, with 1 to 1000 each')
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

const openPty = operation({
  operationId: 'openPty',
  tag: 'processes',
  summary: 'Open a terminal (WebSocket)',
  description:
    'Starts an interactive shell (or `command`) in a terminal, or comes back to one by its `process_id`, with what it showed lately. Binary messages are bytes of the terminal, both ways; what comes from the client as text is typed too, so that xterm.js and its attach addon work as they are. With the subprotocol `k2.pty.v1` text messages are JSON instead: from the server `start`, `dropped`, `end` and `problem`, from the client `{"type":"resize","cols":132,"rows":43}`. The end of the program closes the WebSocket (1000, its exit code as reason). A client that leaves leaves the terminal running: come back, or delete the process. Without WebSocket: start a process with `pty`, follow its output, write to its input, resize it. Counts as use of the sandbox while it is open.',
  params: SandboxParams,
  querystring: PtyQuery,
  upgrade: 'The WebSocket',
  errors: [...RUN_ERRORS, 'PROCESS_NOT_FOUND', 'TERMINAL_UNAVAILABLE', 'UPGRADE_REQUIRED'],
})

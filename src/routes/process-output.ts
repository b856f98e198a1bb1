import { ExecutionEvent } from '../../schemas/live.ts'
import { ProcessOutput, ProcessOutputQuery } from '../../schemas/process.ts'
import { Ref, type Static } from '../../schemas/typebox.ts'
import type { CallOptions, CodeError, OnRunEvent, OutputPart, OutputStreams, RunEnd } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import type { EndlessAnswers } from '../http/endless.ts'
import { answerLive } from '../http/live-answer.ts'
import { callOptions, holdLive } from '../http/memory.ts'
import { operation } from '../http/operation.ts'
import { preferredType } from '../http/preferred-type.ts'
import { answerRaw } from '../http/raw-answer.ts'
import type { MemoryBudget } from '../lib/memory-budget.ts'
import { encodeBytes } from './execution-answer.ts'
import { LIVE_EXAMPLES, LiveEvents } from './live-events.ts'
import { ENDED, PROCESS, processAnswer } from './process-answer.ts'
import { INSIDE_ERRORS, ProcessParams } from './sandbox-id.ts'

interface OutputFrom {
  offset?: number | undefined
  tail?: number | undefined
  streams?: OutputStreams | undefined
}

export interface ProcessOutputRoutesOptions {
  output: {
    read(
      id: string,
      processId: string,
      from: OutputFrom & { limitBytes: number; wholeCharacters: boolean },
      options: CallOptions,
    ): Promise<OutputPart>
    follow(
      id: string,
      processId: string,
      from: OutputFrom,
      onEvent: OnRunEvent,
      options: CallOptions,
    ): Promise<RunEnd & { error: CodeError | null; stateLost: boolean }>
  }
  memory: MemoryBudget
  endless: EndlessAnswers
  heartbeatMs: number
}

const DEFAULT_LIMIT_BYTES = 1024 * 1024
const RAW = 'application/octet-stream'

export async function processOutputRoutes(
  app: TypedApp,
  { output, memory, endless, heartbeatMs }: ProcessOutputRoutesOptions,
): Promise<void> {
  app.get('/sandboxes/:sandbox_id/processes/:process_id/output', { schema: readOutput }, async (request, reply) => {
    const { sandbox_id: id, process_id: processId } = request.params
    const { encoding = 'utf-8', limit: limitBytes = DEFAULT_LIMIT_BYTES } = request.query
    const from = toFrom(request.query, request.headers['last-event-id'])
    const type = preferredType(request, ['application/json', 'text/event-stream', 'application/x-ndjson', RAW])
    if (type === 'application/json') {
      const wholeCharacters = encoding === 'utf-8'
      const options = callOptions(reply, memory)
      return outputAnswer(await output.read(id, processId, { ...from, limitBytes, wholeCharacters }, options), encoding)
    }
    holdLive(reply, memory)
    const signal = endless.signal(reply)
    if (type === RAW) {
      return answerRaw(reply, { type }, async ({ begin, write }) => {
        await output.follow(
          id,
          processId,
          from,
          (event) => {
            if (event.type === 'start') return begin()
            if (event.type === 'stdout' || event.type === 'stderr') return write(event.bytes)
          },
          { signal },
        )
      })
    }
    return answerLive<ExecutionEvent>(request, reply, { type, heartbeatMs }, async (send) => {
      const events = new LiveEvents(send, encoding)
      await events.end(await output.follow(id, processId, from, events.take, { signal }))
    })
  })
}

/** A browser that lost its event stream says in a header where it was. */
function toFrom(query: Static<typeof ProcessOutputQuery>, lastEventId: string | string[] | undefined): OutputFrom {
  const { offset, tail, stream: streams } = query
  if (typeof lastEventId === 'string' && /^\d{1,15}$/.test(lastEventId)) return { offset: Number(lastEventId), streams }
  return { offset, tail, streams }
}

function outputAnswer(part: OutputPart, encoding: ProcessOutput['encoding']): ProcessOutput {
  return {
    stdout: encodeBytes(part.stdout, encoding),
    stderr: encodeBytes(part.stderr, encoding),
    encoding,
    next_offset: part.nextOffset,
    dropped_bytes: part.droppedBytes,
    complete: part.complete,
    process: processAnswer(part.process),
  }
}

const readOutput = operation({
  operationId: 'readProcessOutput',
  tag: 'processes',
  summary: 'Read or follow the output of a process',
  description:
    'Of a background process, a terminal, a command or a run of code, from any byte that is still kept, any number of readers at once. As JSON (default): what there is now. With `Accept: text/event-stream` or `application/x-ndjson`: all from there on as it happens, to the end. With `Accept: application/octet-stream`: the same as bytes alone. A reader that lost its connection goes on at the `offset` of the last event it had (an EventSource does so by itself); what was overwritten meanwhile is told as `dropped`. Following one that is read slowly slows the process down. A reader who leaves changes nothing. Counts as use of the sandbox.',
  params: ProcessParams,
  querystring: ProcessOutputQuery,
  answer: Ref(ProcessOutput),
  answerExamples: {
    running: {
      stdout: 'Serving HTTP on 0.0.0.0 port 8000\n',
      stderr: '',
      encoding: 'utf-8',
      next_offset: 64,
      dropped_bytes: 0,
      complete: false,
      process: PROCESS,
    },
    ended: {
      stdout: '',
      stderr: '',
      encoding: 'utf-8',
      next_offset: 64,
      dropped_bytes: 0,
      complete: true,
      process: ENDED,
    },
  },
  live: { event: ExecutionEvent, examples: LIVE_EXAMPLES },
  rawAnswer: { type: RAW, description: 'What it printed' },
  errors: [...INSIDE_ERRORS, 'PROCESS_NOT_FOUND', 'SERVER_BUSY'],
})

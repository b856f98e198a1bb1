import type { Readable } from 'node:stream'
import { ProcessInfo, ProcessInputQuery, ProcessInputRequest } from '../../schemas/process.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions, RunningProcess } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { hasRawBody, parseRawBodies } from '../http/raw-body.ts'
import { decodeContent } from './decode-content.ts'
import { PROCESS, processAnswer } from './process-answer.ts'
import { INSIDE_ERRORS, ProcessParams } from './sandbox-id.ts'

export interface ProcessInputRoutesOptions {
  processes: {
    get(id: string, processId: string, options: CallOptions): Promise<RunningProcess>
    writeStdin(
      id: string,
      processId: string,
      bytes: Uint8Array | Readable,
      options: CallOptions & { close?: boolean | undefined },
    ): Promise<void>
  }
}

/** A plugin of its own: here a body may be a stream of bytes. */
export async function processInputRoutes(app: TypedApp, { processes }: ProcessInputRoutesOptions): Promise<void> {
  parseRawBodies(app)
  const route = { schema: writeInput, config: { rawBody: 'not JSON' as const } }
  app.post('/sandboxes/:sandbox_id/processes/:process_id/stdin', route, async (request, reply) => {
    const { sandbox_id: id, process_id: processId } = request.params
    const signal = clientGone(reply)
    if (hasRawBody(request) && request.body !== undefined) {
      await processes.writeStdin(id, processId, request.body as Readable, { signal, close: request.query.close })
    } else {
      const { data = '', encoding, close } = (request.body ?? {}) as ProcessInputRequest
      await processes.writeStdin(id, processId, decodeContent(data, encoding, 'data'), {
        signal,
        close: close ?? request.query.close,
      })
    }
    return processAnswer(await processes.get(id, processId, { signal }))
  })
}

const writeInput = operation({
  operationId: 'writeProcessInput',
  tag: 'processes',
  summary: 'Write to the standard input of a process',
  description:
    'For a process that was started with `stdin`, or with a terminal (`pty`). As JSON, or as raw bytes of any length under any other content type, which are passed on while they arrive. Answers when the process has taken them: if it does not read, this waits. Writers take turns. Counts as use of the sandbox.',
  params: ProcessParams,
  querystring: ProcessInputQuery,
  body: Ref(ProcessInputRequest),
  rawBody: 'What is written',
  requestExamples: {
    line: { data: 'hello\n' },
    last: { data: 'AP8A/w==', encoding: 'base64', close: true },
  },
  answer: Ref(ProcessInfo),
  answerExamples: { running: PROCESS },
  errors: [...INSIDE_ERRORS, 'PROCESS_NOT_FOUND', 'STDIN_CLOSED'],
})

/** Answers that are written to the socket itself. */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { type ErrorCode, SandboxError } from '../errors.ts'
import { PROBLEM_TYPE, toProblem } from './problem.ts'
import { requestId } from './request-id.ts'

const BROKEN: Record<string, [ErrorCode, string]> = {
  HPE_HEADER_OVERFLOW: ['HEADERS_TOO_LARGE', 'The request line and headers are larger than the server takes'],
  ERR_HTTP_REQUEST_TIMEOUT: ['REQUEST_TIMEOUT', 'The request took too long to arrive'],
}

/** For what can't be answered as a request is: it never became one, or its body never ends. Closes the connection. */
export function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [code, message] = BROKEN[error.code ?? ''] ?? ['INVALID_REQUEST', 'This is not a well-formed HTTP request']
  const problem = new SandboxError(code, message)
  const body = JSON.stringify(toProblem(problem, requestId({ headers: {} })))
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroySoon()
}

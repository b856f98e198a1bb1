/** One operation of the API: what Fastify validates and serialises by, and what the document says of it. */

import { Problem } from '../../schemas/problem.ts'
import type { TSchema } from '../../schemas/typebox.ts'
import { Ref } from '../../schemas/typebox.ts'
import { ERROR_STATUS, type ErrorCode } from '../errors.ts'

/** Example name → value. */
export type Examples = Record<string, unknown>

export interface Operation {
  operationId: string
  tag: string
  /** A few words. */
  summary: string
  /** What it does, what it leaves, what can go wrong. Markdown. */
  description: string
  params?: TSchema
  querystring?: TSchema
  /** Names in lower case. */
  headers?: TSchema
  body?: TSchema
  /** The body may also be, or without `body` is, a stream of bytes. What they are. */
  rawBody?: string
  /** The body is a form with files. What they are. */
  formBody?: string
  /** The 200 answer is also, or without `answer` is, a stream of bytes. What they are, and of which type. */
  rawAnswer?: { type: string; description: string }
  /** It is answered by another protocol (101). What it is. */
  upgrade?: string
  /** A request without a body is the same as one with `{}`. */
  bodyOptional?: boolean
  requestExamples?: Examples
  /** Of the 200 answer. */
  answer?: TSchema
  answerExamples?: Examples
  /** Its 200 answer also comes as events, when the client asks for it: the schema of one, and examples of them. */
  live?: { event: TSchema; examples: Examples }
  /** Failures of its own; those that every operation has are added. */
  errors: ErrorCode[]
}

type RouteSchema<O extends Operation> = Pick<
  O,
  Extract<keyof O, 'params' | 'querystring' | 'headers' | (O extends { rawBody: string } ? never : 'body')>
> &
  (O extends { rawAnswer: object } | { upgrade: string } ? object : { response: { 200: O['answer'] } })

/** What openapi.ts needs and Fastify does not know; travels in the route's schema and is taken out of the document. */
export interface OperationNotes {
  requestExamples: Examples | undefined
  answerExamples: Examples | undefined
  bodyOptional: boolean
  rawBody: string | undefined
  formBody: string | undefined
  rawAnswer: Operation['rawAnswer']
  upgrade: string | undefined
  live: Operation['live']
  /** Error codes by status, in order. */
  errors: Record<string, ErrorCode[]>
}

export const NOTES = 'x-operation-notes'

const ALWAYS: ErrorCode[] = [
  'INVALID_REQUEST',
  'VALIDATION_FAILED',
  'HOST_NOT_ALLOWED',
  'ORIGIN_NOT_ALLOWED',
  'REQUEST_TIMEOUT',
  'HEADERS_TOO_LARGE',
  'SHUTTING_DOWN',
  'INTERNAL',
]
const WITH_BODY: ErrorCode[] = ['PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE']

/**
 * The route's `schema`. All errors are serialised by `default` (what is not declared would be sent unfiltered); the document
 * lists each status, see openapi.ts. One serialiser per status and route would make the start three times as long.
 */
export function operation<const O extends Operation>(spec: O): RouteSchema<O> {
  const errors = byStatus([...spec.errors, ...ALWAYS, ...(spec.body || spec.rawBody || spec.formBody ? WITH_BODY : [])])
  const notes: OperationNotes = {
    requestExamples: spec.requestExamples,
    answerExamples: spec.answerExamples,
    bodyOptional: spec.bodyOptional ?? false,
    rawBody: spec.rawBody,
    formBody: spec.formBody,
    rawAnswer: spec.rawAnswer,
    upgrade: spec.upgrade,
    live: spec.live,
    errors,
  }
  return {
    operationId: spec.operationId,
    tags: [spec.tag],
    summary: spec.summary,
    description: spec.description,
    ...(spec.params && { params: spec.params }),
    ...(spec.querystring && { querystring: spec.querystring }),
    ...(spec.headers && { headers: spec.headers }),
    ...(spec.body && { body: spec.rawBody ? { content: { 'application/json': { schema: spec.body } } } : spec.body }),
    response: {
      ...(spec.answer && { 200: spec.answer }),
      default: { ...Ref(Problem), description: 'Any other failure.' },
    },
    [NOTES]: notes,
  } as unknown as RouteSchema<O>
}

function byStatus(codes: ErrorCode[]): Record<string, ErrorCode[]> {
  const grouped: Record<string, ErrorCode[]> = {}
  for (const code of new Set(codes)) {
    const status = String(ERROR_STATUS[code])
    grouped[status] = [...(grouped[status] ?? []), code]
  }
  return grouped
}

/** The document: OpenAPI 3.1, made from the routes' schemas. */
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { Bytes, FileForm } from '../../schemas/bytes.ts'
import { Problem } from '../../schemas/problem.ts'
import { ERROR_STATUS, type ErrorCode, SandboxError } from '../errors.ts'
import { ERROR_SENTENCES } from './error-sentences.ts'
import { LIVE_TYPES } from './live-answer.ts'
import { NOTES, type OperationNotes } from './operation.ts'
import { toProblem } from './problem.ts'

interface Info {
  title: string
  description: string
  version: string
  tags: { name: string; description: string }[]
}

/** Register it before the routes: those that came earlier are missing from the document. */
export async function documentRoutes(app: FastifyInstance, { title, description, version, tags }: Info): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title, description, version, license: { name: 'MIT', identifier: 'MIT' } as { name: string } },
      // Relative: the page at /docs calls the server it came from, whatever its port.
      servers: [{ url: '/', description: 'The server that this document came from.' }],
      tags,
    },
    refResolver: { buildLocalReference: (schema, _base, _fragment, index) => String(schema.$id ?? `def-${index}`) },
    transformObject: (input) => {
      const document = 'openapiObject' in input ? input.openapiObject : input.swaggerObject
      const paths = (document.paths ?? {}) as unknown as Record<string, PathItem>
      nameWildcards(paths)
      for (const item of Object.values(paths)) finishPath(item)
      return document
    },
  })
}

interface Media {
  schema: unknown
  examples?: Record<string, { summary?: string; value: unknown }>
}
interface DocumentedResponse {
  description: string
  headers?: Record<string, object>
  content: Record<string, Media>
}
interface DocumentedOperation {
  requestBody?: { required?: boolean; content: Record<string, Media> }
  responses: Record<string, DocumentedResponse>
  parameters?: { name: string }[]
  [NOTES]?: OperationNotes
}
type PathItem = Record<string, DocumentedOperation>

/** What the router calls `*` is a parameter like any other to the reader of a document. */
function nameWildcards(paths: Record<string, PathItem>): void {
  for (const [path, item] of Object.entries(paths)) {
    if (!path.endsWith('{*}')) continue
    delete paths[path]
    paths[path.replace('{*}', '{path}')] = item
    const parameter = {
      name: 'path',
      in: 'path',
      required: true,
      schema: { type: 'string' },
      description: REST_OF_PATH,
    }
    for (const operation of Object.values(item))
      operation.parameters = [...(operation.parameters ?? []).filter(({ name }) => name !== '*'), parameter]
  }
}

const REST_OF_PATH = 'The rest of the path, slashes included; empty for the root.'

/** Moves each operation's notes to where OpenAPI wants them. Done once per operation: the document is made anew each time. */
function finishPath(item: PathItem): void {
  for (const operation of Object.values(item)) {
    const notes = operation[NOTES]
    if (!notes) continue
    delete operation[NOTES]
    if (notes.rawBody) {
      operation.requestBody ??= { content: {} }
      operation.requestBody.content['application/octet-stream'] = bytesOf(notes.rawBody)
    }
    if (notes.formBody) operation.requestBody = { content: { 'multipart/form-data': formOf(notes.formBody) } }
    if (operation.requestBody) {
      operation.requestBody.required = !notes.bodyOptional
      addExamples(operation.requestBody.content['application/json'], notes.requestExamples)
    }
    const answer: DocumentedResponse = operation.responses[200] ?? { description: '', content: {} }
    if (notes.rawAnswer) answer.content[notes.rawAnswer.type] = bytesOf(notes.rawAnswer.description)
    answer.description = 'Done.'
    answer.headers = { 'x-request-id': REQUEST_ID }
    addExamples(answer.content['application/json'], notes.answerExamples)
    if (notes.live) addLive(answer, notes.live)
    const errors = Object.entries(notes.errors).map(([status, codes]) => [status, problemResponse(codes)])
    operation.responses = {
      ...(notes.upgrade ? { 101: { description: notes.upgrade, content: {} } } : { 200: answer }),
      ...Object.fromEntries(errors),
      default: { ...problemResponse(['INTERNAL']), description: 'Any other failure.' },
    }
  }
}

/** OpenAPI 3.1, 4.8.14: bytes as they are have no JSON type. */
function bytesOf(description: string): Media {
  return {
    schema: { $ref: `#/components/schemas/${Bytes.$id}` },
    examples: { bytes: { summary: description, value: '' } },
  }
}

function formOf(description: string): Media {
  const schema = { $ref: `#/components/schemas/${FileForm.$id}` }
  return { schema, examples: { files: { summary: description, value: { file: [''] } } } }
}

/** What one event is; OpenAPI 3.1 has no words for a sequence of them. */
function addLive({ content }: DocumentedResponse, { event, examples }: NonNullable<OperationNotes['live']>): void {
  for (const type of LIVE_TYPES) {
    content[type] = {
      schema: { $ref: `#/components/schemas/${event.$id}` },
      examples: named(examples),
    }
  }
}

const REQUEST_ID = {
  description: "Names this request in the server's log.",
  schema: { type: 'string' },
}
const RETRY_AFTER = {
  description: 'Seconds after which trying again makes sense; absent when nobody can say.',
  schema: { type: 'integer' },
}

function problemResponse(codes: ErrorCode[]): DocumentedResponse {
  const schema = { $ref: `#/components/schemas/${Problem.$id}` }
  const examples = named(Object.fromEntries(codes.map((code) => [code, problemExample(code)])))
  const mayRetry = codes.some((code) => ERROR_STATUS[code] === 503)
  const headers = { 'x-request-id': REQUEST_ID, ...(mayRetry && { 'retry-after': RETRY_AFTER }) }
  return { description: codes.join(', '), headers, content: { 'application/problem+json': { schema, examples } } }
}

function addExamples(media: Media | undefined, examples: Record<string, unknown> | undefined): void {
  if (media && examples) media.examples = named(examples)
}

const named = (examples: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }]))

function problemExample(code: ErrorCode): unknown {
  const details =
    code === 'VALIDATION_FAILED'
      ? { errors: [{ loc: ['body', 'timeout'], msg: 'value is not a valid integer', type: 'type_error.integer' }] }
      : code === 'SANDBOX_START_FAILED'
        ? { output: 'sh: 1: server: not found\n' }
        : {}
  return toProblem(new SandboxError(code, ERROR_SENTENCES[code], { details }), 'f3b1c2d4-5e6f-4a7b-8c9d-0e1f2a3b4c5d')
}

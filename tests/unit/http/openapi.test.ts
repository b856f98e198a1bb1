import { readFile } from 'node:fs/promises'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, test } from 'vitest'
import { allSchemas } from '../../../schemas/all.ts'
import { ERROR_STATUS } from '../../../src/errors.ts'

interface Media {
  schema: { $ref?: string }
  examples?: Record<string, { value: unknown }>
}
interface Operation {
  operationId: string
  summary: string
  description: string
  tags: string[]
  parameters?: { name: string; description?: string }[]
  requestBody?: { required: boolean; content: Record<string, Media> }
  responses: Record<string, { description: string; content: Record<string, Media> }>
}
interface Schema {
  description?: string
  $ref?: string
  anyOf?: unknown
  properties?: Record<string, Schema>
}
interface Document {
  tags: { name: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

const document: Document = JSON.parse(await readFile(new URL('../../../openapi.json', import.meta.url), 'utf8'))
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
)

const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true } })
ajv.addSchema({ $id: 'document', ...document })
/** Texts of the faults of `value` against the schema at `pointer`. */
function faults(pointer: string, value: unknown) {
  const validate = ajv.compile({ $ref: `document${pointer}` })
  validate(value)
  return (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message}`)
}

test('the document has every route of the contract', () => {
  expect(operations.map(([route]) => route)).toEqual(
    expect.arrayContaining([
      'GET /',
      'POST /sandboxes',
      'GET /sandboxes',
      'GET /sandboxes/{sandbox_id}',
      'DELETE /sandboxes/{sandbox_id}',
      'POST /sandboxes/{sandbox_id}/actions',
      'POST /sandboxes/{sandbox_id}/code',
      'POST /sandboxes/{sandbox_id}/command',
      'POST /sandboxes/{sandbox_id}/filesystem',
    ]),
  )
})

test('operation ids are there once each', () => {
  const ids = operations.map(([, operation]) => operation.operationId)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.every((id) => /^[a-z][A-Za-z]+$/.test(id))).toBe(true)
})

test.each(operations)('%s says what it is, with examples that fit its schemas', (_route, operation) => {
  expect(operation.summary.length).toBeGreaterThan(3)
  expect(operation.description.length).toBeGreaterThan(20)
  expect(document.tags.map((tag) => tag.name)).toContain(operation.tags[0])
  for (const parameter of operation.parameters ?? []) expect(parameter.description, parameter.name).toBeTruthy()
  const media = [
    ...Object.values(operation.requestBody?.content ?? {}),
    ...Object.values(operation.responses).flatMap((response) => Object.values(response.content)),
  ]
  for (const { schema, examples } of media) {
    expect(schema.$ref).toMatch(/^#\/components\/schemas\//)
    expect(Object.keys(examples ?? {}).length).toBeGreaterThan(0)
    for (const [name, { value }] of Object.entries(examples ?? {})) {
      expect([name, faults(String(schema.$ref), value)]).toEqual([name, []])
    }
  }
})

test.each(operations)('%s names its errors as problem+json', (_route, operation) => {
  const errors = Object.entries(operation.responses).filter(([status]) => Number(status) >= 400 || status === 'default')
  expect(errors.map(([status]) => status)).toEqual(
    expect.arrayContaining(['400', '403', '421', '422', '500', '503', 'default']),
  )
  if (operation.requestBody) expect(operation.responses).toMatchObject({ 413: {}, 415: {} })
  for (const [status, response] of errors) {
    expect(Object.keys(response.content)).toEqual(['application/problem+json'])
    const examples = response.content['application/problem+json']?.examples ?? {}
    for (const { value } of Object.values(examples)) {
      if (status !== 'default') expect(String((value as { status: number }).status)).toBe(status)
    }
  }
})

test('every status that a code of the server has is declared somewhere', () => {
  const declared = new Set(operations.flatMap(([, operation]) => Object.keys(operation.responses)))
  // 499: nobody is left to read it. 405: is answered where there is no operation.
  const exempt = new Set([ERROR_STATUS.CLIENT_GONE, ERROR_STATUS.METHOD_NOT_ALLOWED].map(String))
  const missing = Object.entries(ERROR_STATUS).filter(
    ([, status]) => !declared.has(String(status)) && !exempt.has(String(status)),
  )
  expect(missing).toEqual([])
})

test('every schema is a component under its own name', () => {
  expect(Object.keys(document.components.schemas)).toEqual(allSchemas.map((schema) => schema.$id))
})

test.each(Object.entries(document.components.schemas))(
  '%s describes itself and each of its members',
  (_name, schema) => {
    expect(schema.description).toBeTruthy()
    for (const [member, { description, $ref, anyOf }] of Object.entries(schema.properties ?? {})) {
      expect(description ?? $ref ?? anyOf, member).toBeTruthy()
    }
  },
)

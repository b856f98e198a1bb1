/**
 * Request validation: one Ajv for bodies (nothing is coerced but what normalise-body.ts does, members that no schema
 * names are ignored), one for query and path (everything is text there, so Ajv coerces; unknown query parameters are errors).
 */
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import { type BodyPlan, normaliseBody, planBody } from './normalise-body.ts'
import { type RequestPart, validationError } from './validation-error.ts'

type Schemas = Record<string, object>

interface RouteSchemaPart {
  schema: object
  httpPart?: string
}

const TEXT_PARTS: Record<string, RequestPart> = { params: 'path', headers: 'header' }

/** Above this, only the first fault is told: collecting them all would let a large body make as many error objects. */
const MAX_MEMBERS_FOR_ALL_ERRORS = 1000

/** For `schemaController.compilersFactory`: called with the shared schemas, gives the compiler of a route's parts. */
export function buildValidators(schemas: Schemas) {
  const bodies = createAjv(schemas, {})
  const texts = createAjv(schemas, { coerceTypes: 'array', useDefaults: true })
  let thorough: Ajv | undefined
  const findAll = (schema: object) => {
    thorough ??= createAjv(schemas, { allErrors: true })
    return thorough.compile(schema)
  }
  return ({ schema, httpPart }: RouteSchemaPart) =>
    httpPart === 'body'
      ? validateBody(
          bodies.compile(schema),
          () => findAll(schema),
          planBody(schema, (id) => schemas[id]),
        )
      : validateText(texts.compile(schema), TEXT_PARTS[httpPart ?? ''] ?? 'query')
}

function createAjv(schemas: Schemas, options: Options): Ajv {
  // The schemas are TypeBox's, checked by the compiler and the tests: checking them again at each start takes 100 ms.
  const ajv = new Ajv({ strict: true, validateSchema: false, allowUnionTypes: true, verbose: true, ...options })
  ajv.addVocabulary(['x-error'])
  ajv.addKeyword({
    keyword: 'x-max-bytes',
    type: 'string',
    schemaType: 'number',
    validate: (limit: number, text: string) => text.length * 3 <= limit || Buffer.byteLength(text) <= limit,
  })
  // Formats occur in answers only, which Ajv never sees the values of.
  ajv.addFormat('date-time', true)
  ajv.addFormat('binary', true)
  for (const schema of Object.values(schemas)) ajv.addSchema(schema)
  return ajv
}

function validateBody(validate: ValidateFunction, compileAll: () => ValidateFunction, plan: BodyPlan) {
  let validateAll: ValidateFunction | undefined
  return (data: unknown) => {
    const body = data ?? {} // no body at all, or null
    normaliseBody(body, plan)
    if (validate(body)) return { value: body }
    let errors: ErrorObject[] = validate.errors ?? []
    if (countMembers(body) <= MAX_MEMBERS_FOR_ALL_ERRORS) {
      validateAll ??= compileAll()
      validateAll(body)
      errors = validateAll.errors ?? errors
    }
    return { error: validationError('body', errors) }
  }
}

function validateText(validate: ValidateFunction, part: RequestPart) {
  return (data: unknown) => (validate(data) ? { value: data } : { error: validationError(part, validate.errors ?? []) })
}

/** Members of the body and of the maps right in it. */
function countMembers(body: object): number {
  let count = 0
  for (const value of Object.values(body)) {
    count += 1
    if (typeof value === 'object' && value !== null) count += Object.keys(value).length
  }
  return count
}

/** Ajv's errors in the contract's words: 422 with `errors` [{loc, msg, type}], or the answer that a value's schema names (`x-error`). */
import type { ErrorObject } from 'ajv'
import { type ErrorCode, type ErrorDetails, SandboxError } from '../errors.ts'

type Fault = NonNullable<ErrorDetails['errors']>[number]
export type RequestPart = 'body' | 'query' | 'path' | 'header'

/** More would only make the answer long. */
const MAX_FAULTS = 32
const MAX_SHOWN_CHARACTERS = 64

const SPECIAL: Partial<Record<ErrorCode, (value: string) => string>> = {
  SNAPSHOT_NOT_FOUND: () => 'Snapshot not found',
  SANDBOX_NOT_FOUND: () => 'Sandbox not found',
  PROCESS_NOT_FOUND: () => 'Process not found',
  TEMPLATE_NOT_FOUND: () => 'no template has such a name; GET /templates lists those there are',
  BUILD_NOT_FOUND: () => 'no build has such an id',
  WEBHOOK_NOT_FOUND: () => 'no webhook of that id; GET /webhooks lists those there are',
  CONTEXT_NOT_FOUND: () => 'Context not found',
  UNSUPPORTED_ACTION: (value) => `Unsupported action: ${value.slice(0, MAX_SHOWN_CHARACTERS)}`,
}

/** The error for a request part that did not validate. `errors`: Ajv's, made with `verbose`. */
export function validationError(part: RequestPart, errors: ErrorObject[]): SandboxError {
  const own = errors.filter((error) => error.keyword !== 'propertyNames')
  const special = own.map(specialAnswer)
  const first = special[0]
  if (first && special.every((error) => error !== undefined)) return first
  return validationFailed(own.slice(0, MAX_FAULTS).map((error) => toFault(part, error)))
}

/** VALIDATION_FAILED for faults found elsewhere than by a schema. */
export function validationFailed(faults: Fault[]): SandboxError {
  const [first] = faults
  const where = first ? `${first.loc.join('.')}: ${first.msg}` : 'it does not have the documented form'
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more, see errors)` : ''
  return new SandboxError('VALIDATION_FAILED', `The request is not valid: ${where}${more}`, {
    details: { errors: faults },
  })
}

function specialAnswer(error: ErrorObject): SandboxError | undefined {
  if (error.keyword !== 'enum' && error.keyword !== 'pattern') return undefined
  const code = error.parentSchema?.['x-error'] as ErrorCode | undefined
  const message = code && SPECIAL[code]
  return code && message ? new SandboxError(code, message(String(error.data))) : undefined
}

function toFault(part: RequestPart, error: ErrorObject): Fault {
  const { msg, type } = describe(error)
  return { loc: locate(part, error), msg, type }
}

function locate(part: RequestPart, error: ErrorObject): (string | number)[] {
  const path = error.instancePath.split('/').slice(1).map(unescapePointer)
  const member = error.params.missingProperty ?? error.params.additionalProperty ?? error.propertyName
  if (typeof member === 'string') path.push(member.slice(0, MAX_SHOWN_CHARACTERS))
  return [part, ...path.map((step) => (part === 'query' && /^\d+$/.test(step) ? Number(step) : step))]
}

const unescapePointer = (step: string) =>
  step.replaceAll('~1', '/').replaceAll('~0', '~').slice(0, MAX_SHOWN_CHARACTERS)

const TYPES: Record<string, { msg: string; type: string }> = {
  string: { msg: 'str type expected', type: 'type_error.str' },
  integer: { msg: 'value is not a valid integer', type: 'type_error.integer' },
  number: { msg: 'value is not a valid float', type: 'type_error.float' },
  boolean: { msg: 'value could not be parsed to a boolean', type: 'type_error.bool' },
  object: { msg: 'value is not a valid dict', type: 'type_error.dict' },
  array: { msg: 'value is not a valid list', type: 'type_error.list' },
}

/** Message and machine code in the form of the original API's validation library. */
function describe({ keyword, params, parentSchema, message }: ErrorObject): { msg: string; type: string } {
  switch (keyword) {
    case 'required':
      return { msg: 'field required', type: 'value_error.missing' }
    case 'additionalProperties':
      return { msg: 'extra fields not permitted', type: 'value_error.extra' }
    case 'type':
      return TYPES[String(params.type)] ?? { msg: `value must be ${params.type}`, type: 'type_error' }
    case 'enum':
      return { msg: `value must be one of ${params.allowedValues.join(', ')}`, type: 'type_error.enum' }
    case 'minimum':
      return { msg: `value must be at least ${params.limit}`, type: 'value_error.number.not_ge' }
    case 'maximum':
      return { msg: `value must be at most ${params.limit}`, type: 'value_error.number.not_le' }
    case 'minLength':
      return { msg: 'value must not be empty', type: 'value_error.any_str.min_length' }
    case 'maxLength':
      return { msg: `value must have at most ${params.limit} characters`, type: 'value_error.any_str.max_length' }
    case 'x-max-bytes':
      return {
        msg: `value must have at most ${parentSchema?.['x-max-bytes']} bytes`,
        type: 'value_error.any_str.max_length',
      }
    case 'pattern':
      return {
        msg: wrongForm(parentSchema),
        type: 'value_error.str.regex',
      }
    case 'maxProperties':
      return { msg: `there may be at most ${params.limit} pairs`, type: 'value_error.dict.max_items' }
    case 'maxItems':
      return { msg: `there may be at most ${params.limit} values`, type: 'value_error.list.max_items' }
    default:
      return { msg: message ?? 'value is not valid', type: 'value_error' }
  }
}

/** What the text should have been, in the words of the document; a pattern says nothing to a person. */
function wrongForm(schema: ErrorObject['parentSchema']): string {
  const wanted = schema?.description
  return typeof wanted === 'string'
    ? `value is not what this takes (${wanted})`
    : 'value has characters that are not allowed here'
}

/** The one place that imports TypeBox, so that moving to its next major version is a change of this file. */
import { type Static, type TSchema, Type } from '@sinclair/typebox'

export { type Static, type TSchema, Type }

/** A reference to a schema that has an `$id` and stands in `allSchemas`; becomes a named component of the document. */
export function Ref<T extends TSchema>(schema: T) {
  return Type.Unsafe<Static<T>>({ $ref: `${schema.$id}#` })
}

/** The same, or null. */
export function NullableRef<T extends TSchema>(schema: T) {
  return Type.Unsafe<Static<T> | null>({ anyOf: [{ $ref: `${schema.$id}#` }, { type: 'null' }] })
}

/** One of some words; a real `enum` in the document and one message when it does not match (a union of literals gives one each). */
export function StringEnum<const T extends string>(values: readonly T[], options: Annotations = {}) {
  return Type.Unsafe<T>({ type: 'string', enum: [...values], ...options })
}

/** A member of an answer that is always there and null when it has no value. */
export function Nullable<T extends TSchema>(schema: T, options: Annotations = {}) {
  return Type.Unsafe<Static<T> | null>({ ...schema, type: [schema.type, 'null'], ...options })
}

/** One of some words, or null. Spelt as a union: generators make two or three types of an enum that lists null. */
export function NullableEnum<const T extends string>(values: readonly T[], options: Annotations = {}) {
  return Type.Unsafe<T | null>({ anyOf: [{ type: 'string', enum: [...values] }, { type: 'null' }], ...options })
}

interface Annotations {
  description?: string
  default?: unknown
  /**
   * `[code]`: what to answer instead of a validation error when this value is wrong, for places where the contract
   * has an answer of its own. Read by src/http/validation.ts.
   */
  'x-error'?: string
}

interface StringMapOptions {
  description: string
  maxProperties: number
  names: { pattern: string; maxLength: number }
  values: { pattern?: string; maxBytes: number }
}

/** Names to texts, both bounded. `x-max-bytes` counts UTF-8 bytes (maxLength counts code points). */
export function StringMap({ description, maxProperties, names, values }: StringMapOptions) {
  const { maxBytes, ...valueRules } = values
  return Type.Unsafe<Record<string, string>>({
    type: 'object',
    description,
    maxProperties,
    propertyNames: { type: 'string', ...names },
    additionalProperties: { type: 'string', ...valueRules, 'x-max-bytes': maxBytes },
  })
}

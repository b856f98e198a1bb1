/**
 * What the contract allows beyond JSON Schema, applied to a body before it is validated: null is the same as absent, and
 * a numeric string is a number where a number is wanted. Only members that the schema declares are touched, so a map's
 * null values and deep, undeclared parts stay as they came. Ajv's own coercion does more than that (null → 0, true → 1).
 */

/** What to do with each declared member. */
export type BodyPlan = Map<string, 'integer' | 'number' | 'as is' | BodyPlan | { each: BodyPlan }>

interface SchemaNode {
  $ref?: string
  type?: string | string[]
  properties?: Record<string, SchemaNode>
  items?: SchemaNode
}

/** Made once a route. `resolve` gives the schema of a `$ref`'s id. */
export function planBody(schema: SchemaNode, resolve: (id: string) => unknown): BodyPlan {
  const node = deref(schema, resolve)
  const plan: BodyPlan = new Map()
  for (const [name, property] of Object.entries(node.properties ?? {})) {
    const member = deref(property, resolve)
    const item = member.items && deref(member.items, resolve)
    if (member.properties) plan.set(name, planBody(member, resolve))
    else if (item?.properties) plan.set(name, { each: planBody(item, resolve) })
    else plan.set(name, member.type === 'integer' || member.type === 'number' ? member.type : 'as is')
  }
  return plan
}

function deref(node: SchemaNode, resolve: (id: string) => unknown): SchemaNode {
  return node.$ref ? (resolve(node.$ref.replace(/#$/, '')) as SchemaNode) : node
}

/** Changes `body` in place; no-op when it is not an object. */
export function normaliseBody(body: unknown, plan: BodyPlan): void {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return
  const members = body as Record<string, unknown>
  for (const [name, kind] of plan) {
    if (!Object.hasOwn(members, name)) continue
    const value = members[name]
    if (value === null) delete members[name]
    else if (kind instanceof Map) normaliseBody(value, kind)
    else if (typeof kind === 'object') {
      if (Array.isArray(value)) for (const item of value) normaliseBody(item, kind.each)
    } else if (kind !== 'as is' && typeof value === 'string' && NUMERIC[kind].test(value)) members[name] = Number(value)
  }
}

const NUMERIC = {
  integer: /^\s{0,9}[-+]?\d{1,15}\s{0,9}$/,
  number: /^\s{0,9}[-+]?(\d{1,32}\.?\d{0,32}|\.\d{1,32})(e[-+]?\d{1,3})?\s{0,9}$/i,
}

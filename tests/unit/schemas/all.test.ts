import { readdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { allSchemas } from '../../../schemas/all.ts'

const FOLDER = new URL('../../../schemas/', import.meta.url)

const ids = allSchemas.map((schema) => String(schema.$id))

function refsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  const own = '$ref' in value && typeof value.$ref === 'string' ? [value.$ref] : []
  return [...own, ...Object.values(value).flatMap(refsIn)]
}

test('every schema with an id that a file exports is in the list, once', async () => {
  const files = (await readdir(FOLDER)).filter((name) => name.endsWith('.ts'))
  const modules: Record<string, unknown>[] = await Promise.all(files.map((name) => import(new URL(name, FOLDER).href)))
  const exported = modules
    .flatMap((module) => Object.entries(module))
    .flatMap(([name, value]) => {
      const id = typeof value === 'object' && value !== null && '$id' in value ? value.$id : undefined
      return id === undefined ? [] : [{ name, id }]
    })
  for (const { name, id } of exported) expect(id).toBe(name)
  expect([...ids].sort()).toEqual(exported.map(({ id }) => id).sort())
})

test('a schema stands after those that it refers to', () => {
  const outOfOrder = allSchemas.flatMap((schema, index) =>
    refsIn(schema).filter((ref) => !ids.slice(0, index).includes(ref.replace(/#$/, ''))),
  )
  expect(outOfOrder).toEqual([])
})

test('members of requests are bounded: texts in length or alphabet, numbers on both sides', () => {
  const requests = allSchemas.filter(({ $id }) =>
    /Create$|Request|Update$|Action$|CodeExecution|CommandExecution/.test(String($id)),
  )
  expect(requests.length).toBeGreaterThan(14)
  for (const { $id, properties } of requests) {
    for (const [name, rules] of Object.entries(properties as Record<string, Record<string, unknown>>)) {
      const where = `${$id}.${name}`
      if (rules.type === 'integer' || rules.type === 'number')
        expect(rules, where).toMatchObject({ minimum: expect.any(Number), maximum: expect.any(Number) })
      // A file's content is bounded by the body limit of its route.
      if (rules.type === 'string' && name !== 'content') {
        expect(rules.enum ?? rules.pattern ?? rules.maxLength ?? rules['x-max-bytes'], where).toBeDefined()
      }
    }
  }
})

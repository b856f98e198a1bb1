import { expect, test } from 'vitest'
import { changesSince, packChanges, unpackChanges } from '../../../src/core/kept-changes.ts'
import type { FileChange } from '../../../src/engine/types.ts'

const list = (...texts: string[]): FileChange[] =>
  texts.map((text) => {
    const [kind, path] = text.split(' ')
    return { path: path ?? '', kind: kind as FileChange['kind'] }
  })

test('what was kept is what was given, of both lists', () => {
  const before = list('added /a', 'modified /ü', 'added /gone')
  const after = list('added /a', 'modified /ü', 'added /new')
  const kept = unpackChanges(packChanges(before, after))
  expect([...kept]).toEqual([
    ['/a', 'added'],
    ['/ü', 'modified'],
    ['/gone', 'added'],
    ['/new', 'added'],
  ])
})

test.for<[then: string, now: string, expected: string]>([
  ['', 'added /a', 'certain added /a'],
  ['', 'modified /a', 'certain modified /a'],
  ['', 'deleted /a', 'certain deleted /a'],
  ['added /a', '', 'certain deleted /a'],
  ['modified /a', '', ''],
  ['added /a', 'added /a', 'open modified /a'],
  ['modified /a', 'modified /a', 'open modified /a'],
  ['modified /a', 'deleted /a', 'certain deleted /a'],
  ['deleted /a', 'deleted /a', ''],
  ['deleted /a', 'modified /a', 'certain added /a'],
])('then %j, now %j: %j', ([then, now, expected]) => {
  const lines = (text: string) => (text === '' ? [] : list(text))
  const { certain, open } = changesSince(unpackChanges(packChanges(lines(then), [])), lines(now))
  const told = [
    ...certain.map(({ kind, path }) => `certain ${kind} ${path}`),
    ...open.map(({ kind, path }) => `open ${kind} ${path}`),
  ]
  expect(told).toEqual(expected === '' ? [] : [expected])
})

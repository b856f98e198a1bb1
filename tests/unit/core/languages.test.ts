import { describe, expect, test } from 'vitest'
import { LANGUAGES, requireLanguage } from '../../../src/core/languages/table.ts'

test.each([
  [undefined, 'python'],
  ['', 'python'],
  ['  ', 'python'],
  ['Python', 'python'],
  [' PY ', 'python'],
  ['js', 'javascript'],
  ['NODE', 'javascript'],
  ['ts', 'typescript'],
  ['C++', 'cpp'],
  ['shell', 'bash'],
])('%j is %s', (asked, name) => {
  expect(requireLanguage(asked).name).toBe(name)
})

test('an unknown language is refused with the list of those there are', () => {
  expect(() => requireLanguage('cobol')).toThrowError(
    expect.objectContaining({
      code: 'LANGUAGE_UNAVAILABLE',
      message: expect.stringMatching(/"cobol".*python, javascript, typescript, bash/),
    }),
  )
})

test('a long name is cut in the answer', () => {
  expect(() => requireLanguage('x'.repeat(10_000))).toThrowError(
    expect.objectContaining({ message: expect.not.stringContaining('x'.repeat(65)) }),
  )
})

test.each(['__proto__', 'constructor', 'toString'])('%s is no language', (name) => {
  expect(() => requireLanguage(name)).toThrowError(expect.objectContaining({ code: 'LANGUAGE_UNAVAILABLE' }))
})

test('names and aliases are unique', () => {
  const all = LANGUAGES.flatMap(({ name, aliases = [] }) => [name, ...aliases])
  expect(new Set(all).size).toBe(all.length)
})

test('every language runs the script it is given, with every program it may be found by', () => {
  for (const language of LANGUAGES) {
    for (const program of language.programs) {
      const argv = language.argv(program, 'print(1)')
      expect(
        argv.some((word) => word.includes('{script}')),
        `${language.name} with ${program}`,
      ).toBe(true)
    }
  }
})

describe('javascript', () => {
  const kind = (code: string) =>
    (/--input-type=(\w+)/.exec(requireLanguage('js').argv('node', code).join(' ')) ?? [])[1]

  test.each([
    ['import fs from "node:fs"', 'module'],
    ['export const a = 1', 'module'],
    ['const a = await fetch("x")', 'module'],
    ['await main()', 'module'],
    ['console.log(1)\nimport "x"', 'module'],
    ['const fs = require("node:fs")', 'commonjs'],
    ['import("x").then(console.log)', 'commonjs'],
    ['async function f() {\n  await 1\n}', 'commonjs'],
    ['const important = 1', 'commonjs'],
  ])('%j runs as %s', (code, expected) => {
    expect(kind(code)).toBe(expected)
  })
})

describe('python', () => {
  const env = requireLanguage('python').env

  test('finds modules in the working directory, before what the caller names', () => {
    expect(env?.({ cwd: '/work dir', env: {} })).toEqual({ PYTHONPATH: '/work dir' })
    expect(env?.({ cwd: '/a', env: { PYTHONPATH: '/lib' } })).toEqual({ PYTHONPATH: '/a:/lib' })
  })
})

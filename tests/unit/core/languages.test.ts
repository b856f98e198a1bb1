import { describe, expect, test } from 'vitest'
import type { Kernelspec } from '../../../src/core/kernels.ts'
import { findLanguage, LANGUAGES } from '../../../src/core/languages/table.ts'
import { LanguagesOf } from '../../../src/core/languages-of.ts'
import type { AvailableLanguage } from '../../../src/core/model.ts'

/** The languages of a sandbox whose image has these kernels. */
function withKernels(kernels: Kernelspec[], languages: AvailableLanguage[] = []): LanguagesOf {
  const find = async (_id: string, names: string[]) =>
    kernels.find(({ name, language }) => names.includes(name) || names.includes(language))
  return new LanguagesOf({ programs: { list: async () => languages }, kernels: { list: async () => kernels, find } })
}

const IR: Kernelspec = { name: 'ir', language: 'r', program: 'R' }
const HASKELL: Kernelspec = { name: 'ihaskell', language: 'haskell', program: 'ihaskell' }
const resolve = (asked: string | undefined, ...kernels: Kernelspec[]) => withKernels(kernels).resolve('id', asked, {})

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
])('%j is %s', async (asked, name) => {
  expect((await resolve(asked)).name).toBe(name)
})

test('an unknown language is refused with the list of those there are', async () => {
  await expect(resolve('cobol', IR)).rejects.toThrowError(
    expect.objectContaining({
      code: 'LANGUAGE_UNAVAILABLE',
      message: expect.stringMatching(/"cobol".*python, javascript, typescript, bash/),
    }),
  )
})

test('a long name is cut in the answer', async () => {
  await expect(resolve('x'.repeat(10_000))).rejects.toThrowError(
    expect.objectContaining({ message: expect.not.stringContaining('x'.repeat(65)) }),
  )
})

test.each(['__proto__', 'constructor', 'toString'])('%s is no language', async (name) => {
  await expect(resolve(name)).rejects.toThrowError(expect.objectContaining({ code: 'LANGUAGE_UNAVAILABLE' }))
})

test('our own driver comes before a kernel, a kernel before a file', async () => {
  const python: Kernelspec = { name: 'python3', language: 'python', program: 'python3' }
  expect(await resolve('python', python)).toMatchObject({ name: 'python', kernel: null })
  expect(await resolve('R', IR)).toMatchObject({ name: 'r', kernel: 'ir', language: { name: 'r' } })
  expect(await resolve('r')).toMatchObject({ name: 'r', kernel: null, language: { name: 'r' } })
  for (const asked of ['Haskell', 'ihaskell'])
    expect(await resolve(asked, HASKELL)).toEqual({ name: 'ihaskell', kernel: 'ihaskell', language: null })
})

test('kernels make a language stateful in the list, and add those that the server does not know', async () => {
  const r = { name: 'r', aliases: [], stateful: false, program: 'Rscript', version: '4.5.0', kernel: null }
  const perl = { ...r, name: 'perl', program: 'perl' }
  expect(await withKernels([IR, HASKELL], [r, perl]).list('id')).toEqual([
    { ...r, stateful: true, kernel: 'ir' },
    perl,
    { name: 'ihaskell', aliases: ['haskell'], stateful: true, program: 'ihaskell', version: null, kernel: 'ihaskell' },
  ])
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
    (/--input-type=(\w+)/.exec(findLanguage('js')?.argv('node', code).join(' ') ?? '') ?? [])[1]

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
  const env = findLanguage('python')?.env

  test('finds modules in the working directory, before what the caller names', () => {
    expect(env?.({ cwd: '/work dir', env: {} })).toEqual({ PYTHONPATH: '/work dir' })
    expect(env?.({ cwd: '/a', env: { PYTHONPATH: '/lib' } })).toEqual({ PYTHONPATH: '/a:/lib' })
  })
})

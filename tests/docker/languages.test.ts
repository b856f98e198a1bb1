import { expect, test } from 'vitest'
import type { LanguageList } from '../../schemas/language.ts'
import { useSandbox, useServer } from '../support/live.ts'

const live = useServer()
const box = useSandbox(live)
const run = (code: string, more: object = {}) => live.api.code(box.id, code, more)
const printed = async (code: string, more: object) => {
  const answer = await run(code, more)
  if (answer.error) throw new Error(JSON.stringify(answer.error))
  return answer.logs.stdout.map(({ line }) => line).join('')
}

test('the base image has its languages, with their versions', async () => {
  const { languages } = await live.api.json<LanguageList>('GET', `/sandboxes/${box.id}/languages`)
  const version = expect.stringMatching(/^\d+\.\d+/)
  expect(languages.map(({ kernel: _, ...language }) => language)).toEqual([
    { name: 'python', aliases: ['python3', 'py'], stateful: true, program: 'python3', version },
    { name: 'javascript', aliases: ['js', 'node'], stateful: true, program: 'node', version },
    { name: 'typescript', aliases: ['ts'], stateful: true, program: 'esbuild', version },
    { name: 'bash', aliases: ['shell'], stateful: true, program: 'bash', version },
    { name: 'sh', aliases: [], stateful: false, program: 'sh', version: null },
    { name: 'c', aliases: [], stateful: false, program: 'cc', version },
    { name: 'perl', aliases: [], stateful: false, program: 'perl', version },
  ])
  expect(languages.every(({ kernel }) => kernel === null)).toBe(true)
  const python = await printed('import platform\nprint(platform.python_version())', {})
  expect(languages[0]?.version).toBe(python.trim())
})

test('typescript runs with its types, enums and imports', async () => {
  const code =
    'import { sep } from "node:path"\nenum Level { Low, High }\nconst name: string = Level[Level.High]\nconsole.log(name, sep, await Promise.resolve(1 as number))'
  expect(await printed(code, { language: 'typescript' })).toBe('High / 1\n')
  expect(await printed('const a: number = 1; console.log(a)', { language: 'TS' })).toBe('1\n')
})

test('an error of typescript has name, value and traceback', async () => {
  const { error } = await run('class Bad extends Error { override name = "Bad" }\nthrow new Bad("so" as string)', {
    language: 'typescript',
  })
  expect(error).toMatchObject({
    name: 'Bad',
    value: 'so',
    traceback: expect.arrayContaining([expect.stringMatching(/^\s+at /)]),
  })
})

test('c is compiled and run; what does not compile says why', async () => {
  expect(
    await printed('#include <stdio.h>\n#include <math.h>\nint main(void) { printf("%.0f\\n", pow(2, 10)); }', {
      language: 'c',
    }),
  ).toBe('1024\n')
  const broken = await run('int main(void) { return x; }', { language: 'c' })
  expect(broken.exit_code).not.toBe(0)
  expect(broken.logs.stderr.map(({ line }) => line).join('')).toContain('undeclared')
})

test('perl runs', async () => {
  expect(await printed('print "hi\\n"', { language: 'perl' })).toBe('hi\n')
})

test('the packages of the base image are there', async () => {
  const code =
    'import numpy, pandas, matplotlib\nprint(int(numpy.arange(4).sum()), len(pandas.DataFrame({"a": [1, 2]})))'
  expect(await printed(code, {})).toBe('6 2\n')
})

test('what needs more memory than there is says so', async () => {
  const small = await live.api.create({ resources: { memory_mb: 128 } })
  const answer = await live.api.code(
    small.sandbox_id,
    'data = bytearray(10)\nwhile True: data += bytes(8 * 1024 * 1024)',
  )
  expect(answer).toMatchObject({
    error: { name: 'OutOfMemoryError', value: expect.stringContaining('memory_mb') },
    reason: 'out_of_memory',
  })
  expect(await live.api.code(small.sandbox_id, 'print(1)')).toMatchObject({ error: null })
  await live.api.delete(small.sandbox_id)
})

test('a language that is missing in the image names those it has', async () => {
  const problem = await live.api.refused('POST', `/sandboxes/${box.id}/code`, { code: 'puts 1', language: 'ruby' })
  expect(problem).toMatchObject({
    status: 400,
    code: 'LANGUAGE_UNAVAILABLE',
    detail: expect.stringMatching(/ruby.*python, javascript, typescript, bash/),
  })
})

test('a language that was installed meanwhile is found', async () => {
  await live.api.output(
    box.id,
    'printf "#!/bin/sh\\necho ran \\$(basename \\$1)\\n" > /usr/local/bin/lua && chmod 755 /usr/local/bin/lua',
    { user: 'root' },
  )
  expect(await printed('print(1)', { language: 'lua' })).toBe('ran main.lua\n')
})

test('a run may be another user', async () => {
  expect(await printed('import os; print(os.getuid(), os.environ["HOME"])', { user: 'root' })).toBe('0 /root\n')
})

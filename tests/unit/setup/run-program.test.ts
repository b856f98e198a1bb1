import { expect, test } from 'vitest'
import { runProgram } from '../../../scripts/setup/run-program.ts'

test('a program’s exit code and both outputs come back', async () => {
  const outcome = await runProgram(['sh', '-c', 'echo a; echo b >&2; exit 3'])
  expect(outcome).toEqual({ exitCode: 3, stdout: 'a\n', stderr: 'b\n' })
})

test('a missing program is an outcome that names it', async () => {
  expect(await runProgram(['no-such-program'])).toMatchObject({
    exitCode: null,
    stderr: expect.stringContaining('no-such-program'),
  })
})

test('a program that takes too long is killed and said to be late', async () => {
  const outcome = await runProgram(['sleep', '60'], { timeoutMs: 100 })
  expect(outcome).toEqual({ exitCode: null, stdout: '', stderr: 'sleep took longer than 0.1 s\n' })
})

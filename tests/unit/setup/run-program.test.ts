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

test('a program that takes too long is killed and said to be late, though its child holds the pipes', async () => {
  const startedAt = performance.now()
  const outcome = await runProgram(['sh', '-c', 'sleep 1 & exec sleep 60'], { timeoutMs: 100 })
  expect(outcome).toEqual({ exitCode: null, stdout: '', stderr: 'sh took longer than 0.1 s\n' })
  expect(performance.now() - startedAt).toBeLessThan(900)
})

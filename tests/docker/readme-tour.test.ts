/** The README's five-minute tour, command by command as a reader pastes it, against a live server. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { readTour, tourScript, withoutDynamics } from '../docs/tour.ts'
import { Server } from '../support/server.ts'

const SEPARATOR = '=== end of step ==='
const LIMIT_MS = 120_000

test('every command of the README works, and its answers are those that the README shows', {
  timeout: LIMIT_MS,
}, async () => {
  await using server = await Server.start()
  const steps = await readTour()
  const script = tourScript(steps, server.url, SEPARATOR)

  // Without --norc bash takes the pipe, a socket of Node's, for a login from another machine, and reads its start-up file.
  const { stdout, stderr } = await promisify(execFile)('bash', ['--norc', '-e', '-u', '-o', 'pipefail', '-c', script], {
    timeout: LIMIT_MS / 2,
  })

  expect(stderr).toBe('')
  const outputs = stdout.split(`\n${SEPARATOR}\n`)
  expect(outputs).toHaveLength(steps.length + 1)
  const answers = steps.flatMap(({ heading, commands, answer }, index) =>
    answer === null ? [] : [{ heading, commands, shown: answer, real: { ...answer, text: outputs[index] ?? '' } }],
  )
  expect(answers.length).toBeGreaterThan(10)
  const said = (which: 'shown' | 'real') =>
    answers.map((answer) => ({
      heading: answer.heading,
      commands: answer.commands,
      answer: withoutDynamics(answer[which]),
    }))
  expect(said('real')).toEqual(said('shown'))
  expect(await server.api.list()).toEqual({ sandboxes: [], next_cursor: null })
})

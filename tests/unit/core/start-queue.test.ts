import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { StartQueue } from '../../../src/core/start-queue.ts'

/** A step that ends when told. */
function held() {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const state = { started: false }
  const run = () => {
    state.started = true
    return promise
  }
  return { state, run, finish: resolve, fail: reject }
}

test('so many run at a time, the others follow in the order they came', async () => {
  const queue = new StartQueue({ atOnce: 2, longest: 10 })
  const steps = Array.from({ length: 5 }, held)
  const results = steps.map((step) => queue.run(step.run))
  const started = () => steps.map(({ state }) => state.started)
  await turn()
  expect(started()).toEqual([true, true, false, false, false])
  steps[1]?.finish('second')
  await results[1]
  await turn()
  expect(started()).toEqual([true, true, true, false, false])
  for (const step of steps) step.finish('done')
  expect(await Promise.all(results)).toEqual(['done', 'second', 'done', 'done', 'done'])
})

test('a start that fails makes room for the next', async () => {
  const queue = new StartQueue({ atOnce: 1, longest: 10 })
  const first = held()
  const failing = queue.run(first.run)
  const next = queue.run(async () => 'next')
  first.fail(new Error('no'))
  await expect(failing).rejects.toThrow('no')
  expect(await next).toBe('next')
})

test('beyond the longest queue a start is refused with the time to try again', async () => {
  const queue = new StartQueue({ atOnce: 1, longest: 1 })
  const first = held()
  const running = queue.run(first.run)
  const waiting = queue.run(async () => 'waited')
  await expect(queue.run(async () => 'never')).rejects.toMatchObject({
    code: 'SERVER_BUSY',
    details: { retryAfterSeconds: 2 },
  })
  first.finish('done')
  await running
  expect(await waiting).toBe('waited')
})

test('who leaves the queue never starts, and the one behind takes the place', async () => {
  const queue = new StartQueue({ atOnce: 1, longest: 5 })
  const first = held()
  const gone = held()
  const leaving = new AbortController()
  const running = queue.run(first.run)
  const left = queue.run(gone.run, { signal: leaving.signal })
  const behind = queue.run(async () => 'behind')
  leaving.abort(new Error('the client left'))
  await expect(left).rejects.toThrow('the client left')
  first.finish('done')
  await running
  expect(await behind).toBe('behind')
  expect(gone.state.started).toBe(false)
})

test('leaving after the start changes nothing for the others', async () => {
  const queue = new StartQueue({ atOnce: 1, longest: 5 })
  const first = held()
  const second = held()
  const leaving = new AbortController()
  const running = queue.run(first.run)
  const started = queue.run(second.run, { signal: leaving.signal })
  const behind = queue.run(async () => 'behind')
  first.finish('first')
  await running
  await turn()
  expect(second.state.started).toBe(true)
  leaving.abort(new Error('late'))
  second.finish('second')
  expect(await started).toBe('second')
  expect(await behind).toBe('behind')
})

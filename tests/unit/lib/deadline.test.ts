import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { deadline, untilAborted, withDeadline } from '../../../src/lib/deadline.ts'

const late = () => new Error('late')
const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length
const hang = () => new Promise<never>(() => {})

test('untilAborted gives the outcome and leaves no listener', async () => {
  const { signal } = new AbortController()
  expect(await untilAborted(Promise.resolve(1), signal)).toBe(1)
  await expect(untilAborted(Promise.reject(new Error('no')), signal)).rejects.toThrow('no')
  expect(listeners(signal)).toBe(0)
})

test('untilAborted gives the reason as soon as the signal aborts', async () => {
  const end = new AbortController()
  const waiting = untilAborted(hang(), end.signal)
  end.abort(new Error('left'))
  await expect(waiting).rejects.toThrow('left')
  await expect(untilAborted(Promise.reject(new Error('unseen')), end.signal)).rejects.toThrow('left')
})

test('a deadline aborts with its error when the time is over', async () => {
  const { signal } = deadline(5, late)
  await expect(untilAborted(hang(), signal)).rejects.toThrow('late')
})

test('a deadline aborts with the reason of the signal it was made in', () => {
  const end = new AbortController()
  using limit = deadline(10_000, late, end.signal)
  expect(limit.signal.aborted).toBe(false)
  end.abort(new Error('left'))
  expect(limit.signal.reason).toMatchObject({ message: 'left' })
  using after = deadline(10_000, late, end.signal)
  expect(after.signal.aborted).toBe(true)
})

test('a disposed deadline leaves neither listener nor timer', async () => {
  const end = new AbortController()
  const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  for (let round = 0; round < 100; round++) {
    using limit = deadline(10_000, late, end.signal)
    expect(limit.signal.aborted).toBe(false)
  }
  expect(listeners(end.signal)).toBe(0)
  expect(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length).toBe(timers)
})

test('withDeadline ends a step that does not listen', async () => {
  await expect(withDeadline(5, late, undefined, hang)).rejects.toThrow('late')
})

test('withDeadline tells the step, and gives its outcome', async () => {
  const { signal } = new AbortController()
  expect(await withDeadline(10_000, late, signal, async () => 7)).toBe(7)
  expect(listeners(signal)).toBe(0)
  let told: unknown
  const step = (inner: AbortSignal) =>
    new Promise<never>((_, reject) =>
      inner.addEventListener('abort', () => {
        told = inner.reason
        reject(inner.reason)
      }),
    )
  await expect(withDeadline(5, late, signal, step)).rejects.toThrow('late')
  expect(told).toMatchObject({ message: 'late' })
})

test('withDeadline does not begin under a signal that is aborted', async () => {
  let begun = false
  const step = async () => {
    begun = true
  }
  await expect(withDeadline(10, late, AbortSignal.abort(new Error('left')), step)).rejects.toThrow('left')
  expect(begun).toBe(false)
})

import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { KeyedLock } from '../../../src/lib/keyed-lock.ts'

test('steps of one key run one after the other, in order', async () => {
  const locks = new KeyedLock()
  const order: number[] = []
  let inside = 0
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      locks.run('a', async () => {
        expect(++inside).toBe(1)
        await turn()
        order.push(index)
        inside--
      }),
    ),
  )
  expect(order).toEqual(Array.from({ length: 20 }, (_, index) => index))
  await turn()
  expect(locks.isBusy('a')).toBe(false)
})

test('keys do not wait for each other', async () => {
  const locks = new KeyedLock()
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  const first = locks.run('a', () => held)
  expect(await locks.run('b', async () => 'b')).toBe('b')
  release()
  await first
})

test('a step that fails fails its caller and lets the next in', async () => {
  const locks = new KeyedLock()
  const failing = locks.run('a', () => Promise.reject(new Error('no')))
  const next = locks.run('a', async () => 'next')
  await expect(failing).rejects.toThrow('no')
  expect(await next).toBe('next')
})

test('a caller who gives up leaves the line, and those behind wait for those before', async () => {
  const locks = new KeyedLock()
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  const end = new AbortController()
  const order: string[] = []
  const first = locks.run('a', async () => {
    await held
    order.push('first')
  })
  const second = locks.run('a', async () => order.push('second'), { signal: end.signal })
  const third = locks.run('a', async () => order.push('third'))
  end.abort(new Error('left'))
  await expect(second).rejects.toThrow('left')
  await turn()
  expect(order).toEqual([])
  release()
  await Promise.all([first, third])
  expect(order).toEqual(['first', 'third'])
})

test('a signal that is aborted already does not take the lock', async () => {
  const locks = new KeyedLock()
  await expect(locks.run('a', async () => 1, { signal: AbortSignal.abort(new Error('left')) })).rejects.toThrow('left')
  expect(locks.isBusy('a')).toBe(false)
})

test('a signal does not end a step that runs', async () => {
  const locks = new KeyedLock()
  const end = new AbortController()
  const running = locks.run(
    'a',
    async () => {
      end.abort()
      await turn()
      return 'done'
    },
    { signal: end.signal },
  )
  expect(await running).toBe('done')
})

test('random callers with random ends never overlap and never hang', async () => {
  const locks = new KeyedLock()
  const inside = new Map<string, number>()
  const callers = Array.from({ length: 400 }, async (_, index) => {
    const key = `k${index % 5}`
    const end = new AbortController()
    const caller = locks.run(
      key,
      async () => {
        expect(inside.get(key) ?? 0).toBe(0)
        inside.set(key, 1)
        for (let turns = Math.random() * 3; turns > 0; turns--) await turn()
        inside.set(key, 0)
        if (Math.random() < 0.2) throw new Error('step')
      },
      { signal: end.signal },
    )
    caller.catch(() => {})
    for (let turns = Math.random() * 20; turns > 0; turns--) await turn()
    if (Math.random() < 0.5) end.abort(new Error('left'))
    await caller.catch(() => {})
  })
  await Promise.all(callers)
  await turn()
  for (let key = 0; key < 5; key++) expect(locks.isBusy(`k${key}`)).toBe(false)
})

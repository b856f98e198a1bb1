import { expect, test } from 'vitest'
import { Pace } from '../../../../src/core/egress/pace.ts'

test('the first four hundred go at once, others wait their turn, and who leaves does not wait', async () => {
  const pace = new Pace()
  const never = new AbortController()
  const begun = performance.now()
  for (let i = 0; i < 400; i++) await pace.take(never.signal)
  expect(performance.now() - begun).toBeLessThan(500)
  const later = performance.now()
  await Promise.all(Array.from({ length: 80 }, () => pace.take(never.signal)))
  expect(performance.now() - later).toBeGreaterThan(50)
  const left = new AbortController()
  const waiting = Promise.all(Array.from({ length: 5000 }, () => pace.take(left.signal)))
  left.abort()
  await waiting
})

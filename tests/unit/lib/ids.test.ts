import { expect, test } from 'vitest'
import { isSandboxId, newSandboxId } from '../../../src/lib/ids.ts'

test('ids are 20 characters of a-z and 0-9, and differ', () => {
  const ids = new Set(Array.from({ length: 5000 }, newSandboxId))
  expect(ids.size).toBe(5000)
  for (const id of ids) expect(isSandboxId(id)).toBe(true)
})

test('every character is about as likely', () => {
  const counts = new Map<string, number>()
  for (let round = 0; round < 5000; round++) {
    for (const character of newSandboxId()) counts.set(character, (counts.get(character) ?? 0) + 1)
  }
  expect(counts.size).toBe(36)
  // 2,778 each on average with a deviation of 52: eight of those are no accident.
  for (const count of counts.values()) expect(Math.abs(count - 100_000 / 36)).toBeLessThan(8 * 52)
})

test.each([
  '',
  'a'.repeat(19),
  'a'.repeat(21),
  'A'.repeat(20),
  `${'a'.repeat(19)}\n`,
  `${'a'.repeat(20)}\n`,
  '../../../../../../..',
  'ä'.repeat(20),
])('%j is no id', (text) => {
  expect(isSandboxId(text)).toBe(false)
})

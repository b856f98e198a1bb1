import { expect, test } from 'vitest'
import { LogLines } from '../../../src/core/log-lines.ts'
import { MemoryBudget } from '../../../src/lib/memory-budget.ts'
import { OutputBuffer } from '../../../src/lib/output-buffer.ts'

const KIB = 1024

test('a lease takes while there is room, and gives all of it back once', () => {
  const budget = new MemoryBudget({ limitBytes: 100 })
  const one = budget.lease()
  const two = budget.lease()
  expect([one.take(60), two.take(30), two.take(20)]).toEqual([true, true, false])
  expect(budget.freeBytes).toBe(10)
  one[Symbol.dispose]()
  one[Symbol.dispose]()
  expect(budget.freeBytes).toBe(70)
})

test('output past what the budget has room for is cut, in the middle, and says so', () => {
  const budget = new MemoryBudget({ limitBytes: 512 * KIB })
  const buffer = new OutputBuffer({ limitBytes: 4096 * KIB, memory: budget.lease() })
  for (let index = 0; index < 3000; index++) buffer.write(Buffer.alloc(KIB, index % 2 ? 'a' : 'b'))
  buffer.write(Buffer.from('the end'))
  const text = buffer.bytes().toString()
  expect(buffer.truncated).toBe(true)
  expect(text.length).toBeLessThan(700 * KIB)
  expect(text).toMatch(/^b{1024}a{1024}/)
  expect(text).toMatch(/\[\.\.\. \d+ bytes left out \.\.\.\]/)
  expect(text.endsWith('the end')).toBe(true)
})

test('what most programs print is kept when others hold the whole budget', () => {
  const nothing = new MemoryBudget({ limitBytes: 0 })
  const buffer = new OutputBuffer({ limitBytes: 4096 * KIB, memory: nothing.lease() })
  const lines = new LogLines({ limitBytes: 4096 * KIB, error: false, memory: nothing.lease() })
  buffer.write(Buffer.alloc(60 * KIB, 'x'))
  for (let index = 0; index < 200; index++) lines.write(Buffer.from(`line ${index}\n`), index)
  expect(buffer.truncated).toBe(false)
  expect(buffer.bytes().length).toBe(60 * KIB)
  expect(lines.lines()).toHaveLength(200)
  expect(lines.truncated).toBe(false)
})

test('lines past what the budget has room for are cut, in the middle, and say so', () => {
  const budget = new MemoryBudget({ limitBytes: 128 * KIB })
  const lines = new LogLines({ limitBytes: 4096 * KIB, error: false, memory: budget.lease() })
  for (let index = 0; index < 20_000; index++) lines.write(Buffer.from(`line ${index}\n`), index)
  const kept = lines.lines()
  expect(lines.truncated).toBe(true)
  expect(kept.length).toBeLessThan(4000)
  expect(kept[0]?.line).toBe('line 0\n')
  expect(kept.at(-1)?.line).toBe('line 19999\n')
  expect(kept.some(({ line }) => /\d+ lines left out/.test(line))).toBe(true)
})

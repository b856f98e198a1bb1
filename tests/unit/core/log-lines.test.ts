import { expect, test } from 'vitest'
import { LogLines } from '../../../src/core/log-lines.ts'

const MIB = 1024 * 1024
const lines = (limitBytes = MIB, error = false) => new LogLines({ limitBytes, error })

test('a line has its line end and the time of its first byte, however it was cut', () => {
  const log = lines()
  log.write(Buffer.from('one\ntw'), 1)
  log.write(Buffer.from('o'), 2)
  log.write(Buffer.from('\n\nrest'), 3)
  expect(log.lines()).toEqual([
    { line: 'one\n', error: false, timestampMs: 1 },
    { line: 'two\n', error: false, timestampMs: 1 },
    { line: '\n', error: false, timestampMs: 3 },
    { line: 'rest', error: false, timestampMs: 3 },
  ])
  expect(log.truncated).toBe(false)
})

test('a character that is cut between writes is whole', () => {
  const log = lines(MIB, true)
  const [first, ...rest] = Buffer.from('é\n')
  log.write(Buffer.from([first ?? 0]), 1)
  log.write(Buffer.from(rest), 2)
  expect(log.lines()).toEqual([{ line: 'é\n', error: true, timestampMs: 1 }])
})

test('nothing written is no line', () => {
  expect(lines().lines()).toEqual([])
})

test('past the limit the first and the last lines stay, with one between them that counts the rest', () => {
  const log = lines(10_000)
  for (let number = 0; number < 10_000; number++) log.write(Buffer.from(`line ${number}\n`), number)
  const kept = log.lines().map(({ line }) => line)
  expect(log.truncated).toBe(true)
  expect(kept[0]).toBe('line 0\n')
  expect(kept.at(-1)).toBe('line 9999\n')
  const marker = kept.findIndex((line) => line.startsWith('[...'))
  expect(kept[marker]).toBe(`[... ${10_000 - (kept.length - 1)} lines left out ...]\n`)
  expect(kept.slice(0, marker)).toEqual(Array.from({ length: marker }, (_, number) => `line ${number}\n`))
})

test('a hundred million empty lines would cost no more than the limit', () => {
  const log = lines(64 * 1024)
  const block = Buffer.alloc(10_000, '\n')
  for (let number = 0; number < 100; number++) log.write(block, number)
  expect(log.lines().length).toBeLessThan(1100)
})

test('one line without an end is kept within the limit', () => {
  const log = lines(256 * 1024)
  for (let number = 0; number < 64; number++) log.write(Buffer.alloc(64 * 1024, 'x'), number)
  const kept = log.lines().reduce((sum, { line }) => sum + line.length, 0)
  expect(kept).toBeLessThan(300 * 1024)
  expect(log.truncated).toBe(true)
})

test('the tail is the end of the text', () => {
  const log = lines()
  for (let number = 0; number < 100; number++) log.write(Buffer.from(`${number}\n`), number)
  log.lines()
  expect(log.tail(6)).toBe('98\n99\n')
  expect(log.tail(MIB).startsWith('0\n1\n')).toBe(true)
})

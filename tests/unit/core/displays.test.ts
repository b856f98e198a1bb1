import { expect, test } from 'vitest'
import type { RunEvent } from '../../../src/agent/types.ts'
import { Displays } from '../../../src/core/displays.ts'

const display = (text: string, more: Partial<Extract<RunEvent, { type: 'display' }>> = {}): RunEvent => ({
  type: 'display',
  data: { 'text/plain': text },
  main: false,
  displayId: null,
  update: false,
  truncated: [],
  ...more,
})
const texts = (displays: Displays) => displays.all().map(({ data }) => data['text/plain'])

test('displays come in order, an update replaces what is shown under its id, in its place', () => {
  const displays = new Displays({ limitBytes: 10_000 })
  displays.add(display('a', { displayId: 'bar' }), 10)
  displays.add(display('b'), 10)
  displays.add(display('c', { displayId: 'bar', update: true }), 10)
  displays.add(display('d', { displayId: 'other', update: true }), 10)
  expect(texts(displays)).toEqual(['c', 'b', 'd'])
  expect(displays.truncated).toBe(false)
})

test('what is over the limit is left out and told, and smaller ones still fit', () => {
  const displays = new Displays({ limitBytes: 1000 })
  displays.add(display('a'), 100)
  displays.add(display('large'), 2000)
  displays.add(display('b'), 100)
  displays.add(display('c'), 100)
  expect(texts(displays)).toEqual(['a', 'b'])
  expect(displays.truncated).toBe(true)
})

test('where all requests together have no room, nothing is kept', () => {
  const displays = new Displays({ limitBytes: 1000, memory: { take: () => false } })
  displays.add(display('a'), 100)
  expect(displays.all()).toEqual([])
  expect(displays.truncated).toBe(true)
})

test('a form that was left out is told, an error is the last one, what nobody can read is nothing', () => {
  const displays = new Displays({ limitBytes: 10_000 })
  displays.add(null, 10)
  displays.add(display('a', { truncated: ['text/html'] }), 10)
  displays.add({ type: 'error', name: 'A', value: 'first', traceback: null }, 10)
  displays.add({ type: 'error', name: 'B', value: 'second', traceback: ['x'] }, 10)
  expect(displays.truncated).toBe(true)
  expect(displays.error).toEqual({ name: 'B', value: 'second', traceback: ['x'] })
})

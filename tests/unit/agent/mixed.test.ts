import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { MixedParser } from '../../../src/agent/mixed.ts'
import type { OutputEvent } from '../../../src/agent/types.ts'
import { exited, frame, statusOf } from './fake-agent.ts'

const micros = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

const stream = Buffer.concat([
  frame(0, statusOf('p1')),
  frame(4, micros(1_700_000_000_000_123)),
  frame(1, 'out'),
  frame(1, ''),
  frame(2, Buffer.alloc(70_000, 'e')),
  frame(5, micros(12)),
  frame(1, 'more'),
  frame(3, exited('p1', { exit_code: 1, output_bytes: 70_007 })),
])

/** Neighbouring pieces of one stream joined: how they were cut is not the reader's business. */
function joined(events: OutputEvent[]): unknown[] {
  const result: unknown[] = []
  const pieces: { type: string; text: string }[] = []
  for (const event of events) {
    if (event.type !== 'stdout' && event.type !== 'stderr') {
      result.push(event)
      continue
    }
    const text = event.bytes.toString('latin1')
    const open = pieces.at(-1)
    if (open !== undefined && open === result.at(-1) && open.type === event.type) open.text += text
    else result.push(pieces[pieces.push({ type: event.type, text }) - 1])
  }
  return result
}

function parse(bytes: Buffer, cuts: number[]): { parser: MixedParser; events: OutputEvent[] } {
  const parser = new MixedParser()
  const events: OutputEvent[] = []
  let at = 0
  for (const cut of [...cuts, bytes.length]) {
    events.push(...parser.push(bytes.subarray(at, cut)))
    at = cut
  }
  return { parser, events }
}

const whole = joined(parse(stream, []).events)

test('a whole stream gives its events in order', () => {
  expect(whole).toEqual([
    { type: 'status', status: expect.objectContaining({ id: 'p1', state: 'running', exitCode: null }) },
    { type: 'time', timestampMs: 1_700_000_000_000.123 },
    { type: 'stdout', text: 'out' },
    { type: 'stderr', text: 'e'.repeat(70_000) },
    { type: 'dropped', sizeBytes: 12 },
    { type: 'stdout', text: 'more' },
    { type: 'ended', status: expect.objectContaining({ state: 'exited', exitCode: 1, outputBytes: 70_007 }) },
  ])
})

test('cutting the stream at any byte changes nothing', () => {
  for (let cut = 0; cut < stream.length; cut += cut > 1000 && cut < stream.length - 1000 ? 997 : 1) {
    expect(joined(parse(stream, [cut]).events)).toEqual(whole)
  }
})

test('cutting the stream anywhere, many times, changes nothing', () => {
  for (let round = 0; round < 200; round++) {
    const cuts = Array.from({ length: 30 }, () => Math.floor(Math.random() * stream.length)).sort((a, b) => a - b)
    expect(joined(parse(stream, cuts).events), `cuts ${cuts}`).toEqual(whole)
  }
})

test('only a stream with its last frame has ended', () => {
  const last = frame(3, exited('p1', { exit_code: 1, output_bytes: 70_007 }))
  expect(parse(stream, []).parser.ended).toBe(true)
  expect(parse(stream.subarray(0, -1), []).parser.ended).toBe(false)
  expect(parse(stream.subarray(0, -last.length), []).parser.ended).toBe(false)
})

test('output is passed on before its frame is complete', () => {
  const parser = new MixedParser()
  parser.push(frame(0, statusOf('p1')))
  const [event] = parser.push(frame(1, 'hello').subarray(0, -2))
  expect(event).toEqual({ type: 'stdout', bytes: Buffer.from('hel') })
})

interface GoldenFrame {
  type: number
  status?: {
    id: string
    state: string
    exit_code: number | null
    signal: string | null
    reason: string | null
    argv: string[]
  }
  number?: number
  text?: string
  base64?: string
}

/** A frame of the description as the event that it must become; null for one that becomes none. */
function expectedEvent({ type, status, number = 0, text, base64 }: GoldenFrame): object | null {
  if (status !== undefined) {
    const { id, state, exit_code: exitCode, signal, reason, argv } = status
    return {
      type: type === 0 ? 'status' : 'ended',
      status: expect.objectContaining({ id, state, exitCode, signal, reason, argv }),
    }
  }
  if (type === 4) return { type: 'time', timestampMs: number / 1000 }
  if (type === 5) return { type: 'dropped', sizeBytes: number }
  const bytes = base64 === undefined ? Buffer.from(text ?? '') : Buffer.from(base64, 'base64')
  return bytes.length === 0 ? null : { type: type === 1 ? 'stdout' : 'stderr', bytes }
}

test('the golden stream of the agent reads as its description says', () => {
  const described = JSON.parse(readFileSync('agent/testdata/mixed.json', 'utf8')) as GoldenFrame[]
  const parser = new MixedParser()
  const events = parser.push(readFileSync('agent/testdata/mixed.bin'))
  expect(parser.ended).toBe(true)
  expect(events).toEqual(described.map(expectedEvent).filter((event) => event !== null))
})

test('an event of a run counts with its size; what the code itself may have written and nobody can read is null', () => {
  const shown = JSON.stringify({ type: 'display', data: { 'text/plain': 'é' }, main: true })
  const failed = JSON.stringify({ type: 'error', name: 'E', value: 'v', traceback: ['a', 5, 'b'] })
  const bad = ['no json', '5', 'null', '{"type":"other"}', '{"type":"display","data":[]}', '{"type":"error","name":1}']
  const all = [frame(0, statusOf('p1')), ...[shown, failed, ...bad].map((text) => frame(6, text))]
  const events = new MixedParser().push(Buffer.concat(all)).slice(1)
  expect(events).toEqual([
    {
      type: 'event',
      event: {
        type: 'display',
        data: { 'text/plain': 'é' },
        main: true,
        displayId: null,
        update: false,
        truncated: [],
      },
      sizeBytes: Buffer.byteLength(shown),
    },
    {
      type: 'event',
      event: { type: 'error', name: 'E', value: 'v', traceback: ['a', 'b'] },
      sizeBytes: Buffer.byteLength(failed),
    },
    ...bad.map((text) => ({ type: 'event', event: null, sizeBytes: text.length })),
  ])
})

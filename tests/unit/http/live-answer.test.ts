/** How answers come as they happen; what the events are, tests/support/behaviour/live-output.ts shows. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import type { OnRunEvent } from '../../../src/core/model.ts'
import { SandboxError } from '../../../src/errors.ts'
import { asProblem } from '../../support/api.ts'
import { buildTestApp, type Changes, COMMAND, ID } from './stand-ins.ts'

const START = { type: 'start', processId: 'p1', startedAt: 0, language: null, contextId: null } as const
const stdout = (bytes: Uint8Array) => ({ type: 'stdout', bytes, timestampMs: 1500, offset: 9 }) as const

type Follow = NonNullable<NonNullable<Changes['commands']>['follow']>

/** A server whose commands do as `follow` says. */
async function serve(follow: Follow, config: Changes['config'] = {}) {
  const app = await buildTestApp({ commands: { follow }, config })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const ask = (accept: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${port}/sandboxes/${ID}/command`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept },
      body: '{"command":"x"}',
      ...init,
    })
  return { ask, [Symbol.asyncDispose]: () => app.close() }
}

const short: Follow = async (_id, _command, onEvent) => {
  await onEvent(START)
  await onEvent(stdout(Buffer.from('hi')))
  return COMMAND
}

test.each([
  ['*/*', 'application/json'],
  ['application/json', 'application/json'],
  ['text/html', 'application/json'],
  ['text/event-stream', 'text/event-stream'],
  ['TEXT/Event-Stream; charset=utf-8', 'text/event-stream'],
  ['application/x-ndjson, */*;q=0.1', 'application/x-ndjson'],
  ['application/json, text/event-stream', 'application/json'],
  ['application/json;q=0.5, text/event-stream;q=0.9', 'text/event-stream'],
  ['text/event-stream;q=0', 'application/json'],
  ['text/event-stream;q=x', 'application/json'],
])('Accept: %s is answered as %s', async (accept, type) => {
  await using server = await serve(short)
  const answer = await server.ask(accept)
  expect(answer.headers.get('content-type')?.split(';')[0]).toBe(type)
  await answer.text()
})

test('each form as it is on the wire, with headers that keep intermediaries from holding it back', async () => {
  await using server = await serve(short)
  const answer = await server.ask('text/event-stream')
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    vary: 'accept',
  })
  const blocks = (await answer.text()).split('\n\n')
  expect(blocks[1]).toBe('id: 9\nevent: stdout\ndata: {"type":"stdout","text":"hi","timestamp":1.5,"offset":9}')
  expect(blocks).toHaveLength(4)
  const lines = (await (await server.ask('application/x-ndjson')).text()).split('\n')
  expect(lines[1]).toBe('{"type":"stdout","text":"hi","timestamp":1.5,"offset":9}')
  expect(lines.map((line) => line && JSON.parse(line).type)).toEqual(['start', 'stdout', 'end', ''])
})

test.each([
  ['text/event-stream', ': heartbeat\n\n'],
  ['application/x-ndjson', '{"type":"heartbeat"}\n'],
])('a quiet %s has heartbeats', async (accept, heartbeat) => {
  const enough = Promise.withResolvers<void>()
  await using server = await serve(
    async (_id, _command, onEvent) => {
      await onEvent(START)
      await enough.promise
      return COMMAND
    },
    { heartbeatMs: 20 },
  )
  const answer = await server.ask(accept)
  let text = ''
  for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk
    if (text.split(heartbeat).length > 3) enough.resolve()
  }
  expect(text.split(heartbeat).length).toBeGreaterThan(3)
})

test('a failure before the first event has its own status, one after it is the last event', async () => {
  const fail = async () => {
    throw new SandboxError('AGENT_UNAVAILABLE', 'the sandbox does not answer')
  }
  await using early = await serve(fail)
  expect(asProblem(await read(await early.ask('text/event-stream')))).toMatchObject({
    status: 503,
    code: 'AGENT_UNAVAILABLE',
  })

  await using late = await serve(async (_id, _command, onEvent) => {
    await onEvent(START)
    return await fail()
  })
  const begun = await read(await late.ask('application/x-ndjson'))
  expect(begun.status).toBe(200)
  expect(JSON.parse(begun.text.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
    type: 'problem',
    problem: { status: 503, code: 'AGENT_UNAVAILABLE', request_id: begun.headers.get('x-request-id') },
  })
})

async function read(response: Response) {
  return { status: response.status, headers: response.headers, text: await response.text() }
}

test('a reader that is slow is waited for', async () => {
  let pending = 0
  const full = Promise.withResolvers<void>()
  await using server = await serve(async (_id, _command, onEvent) => {
    await onEvent(START)
    const block = Buffer.alloc(1 << 20, 'x')
    for (let sent = 0; sent < 64; sent++) {
      const wait = onEvent(stdout(block))
      pending++
      const stuck = setTimeout(full.resolve, 500)
      await wait
      clearTimeout(stuck)
      pending--
    }
    return COMMAND
  })
  const answer = await server.ask('application/x-ndjson')
  await full.promise
  expect(pending).toBe(1)
  expect((await answer.text()).length).toBeGreaterThan(64 << 20)
})

test('a client that leaves ends the wait of its run, and aborts it', async () => {
  const over = Promise.withResolvers<unknown>()
  await using server = await serve(async (_id, _command, onEvent, { signal }) => {
    await onEvent(START)
    await flood(onEvent, signal)
    over.resolve(signal?.reason)
    return COMMAND
  })
  const leave = new AbortController()
  await server.ask('text/event-stream', { signal: leave.signal })
  leave.abort()
  expect(await over.promise).toMatchObject({ code: 'CLIENT_GONE' })
})

test('a client that takes nothing for too long has left', async () => {
  const over = Promise.withResolvers<unknown>()
  const follow: Follow = async (_id, _command, onEvent, { signal }) => {
    await onEvent(START)
    await flood(onEvent, signal)
    over.resolve(signal?.reason)
    return COMMAND
  }
  await using server = await serve(follow, { stalledMs: 200, heartbeatMs: 20 })
  const answer = await server.ask('application/x-ndjson')
  expect(await over.promise).toMatchObject({ code: 'CLIENT_GONE' })
  await expect(answer.text()).rejects.toThrow()
})

test('there is room for so many live answers, and one more is refused', async () => {
  const enough = Promise.withResolvers<void>()
  const follow: Follow = async (_id, _command, onEvent) => {
    await onEvent(START)
    await enough.promise
    return COMMAND
  }
  await using server = await serve(follow, { bufferBytes: 2 << 20 })
  const open = [await server.ask('text/event-stream'), await server.ask('application/x-ndjson')]
  expect(asProblem(await read(await server.ask('text/event-stream')))).toMatchObject({
    status: 503,
    code: 'SERVER_BUSY',
  })
  expect((await server.ask('*/*')).status).toBe(200)
  enough.resolve()
  for (const answer of open) expect(answer.status).toBe(200)
  await Promise.all(open.map((answer) => answer.text()))
  await expect.poll(async () => (await server.ask('text/event-stream')).status).toBe(200)
})

async function flood(onEvent: OnRunEvent, signal: AbortSignal | undefined): Promise<void> {
  const block = Buffer.alloc(1 << 20, 'x')
  for (let sent = 0; sent < 1000 && !signal?.aborted; sent++) await onEvent(stdout(block))
  if (signal && !signal.aborted) await once(signal, 'abort')
}

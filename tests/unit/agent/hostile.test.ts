import { expect, test } from 'vitest'
import { AgentClient } from '../../../src/agent/client.ts'
import { answer, exited, FakeAgent, type FakeHandler, frame, INFO, statusOf } from './fake-agent.ts'
import { END_HEADERS, END_STREAM, FRAME, RawPeer, STATUS_200 } from './raw-peer.ts'

const unavailable = expect.objectContaining({ name: 'SandboxError', code: 'AGENT_UNAVAILABLE' })
const request = { id: 'p1', argv: ['x'], env: {}, cwd: '/', user: '1:1' }

/** Answers the greeting; `misbehave` gets each request after it. */
function rawClient(
  misbehave: (streamId: number, peer: RawPeer) => void,
  { heartbeatMs = 20, ...options }: { answersPings?: boolean; heartbeatMs?: number } = {},
) {
  let greeted = false
  const peer = new RawPeer({
    ...options,
    onRequest: (streamId, self) => {
      if (greeted) return misbehave(streamId, self)
      greeted = true
      self.answer(streamId, INFO)
    },
  })
  return AgentClient.connect(peer.connection, { heartbeatMs, heartbeatMisses: 2 })
}

test('garbage instead of HTTP/2 fails the connect', async () => {
  const peer = new RawPeer({ onRequest: () => {} })
  const connecting = AgentClient.connect(peer.connection)
  peer.write(Buffer.from('HTTP/1.1 200 OK\r\n\r\n<html>'.repeat(100)))
  await expect(connecting).rejects.toEqual(unavailable)
  expect(peer.connection.destroyed).toBe(true)
})

test('a connection that ends before a word fails the connect', async () => {
  const peer = new RawPeer({ onRequest: () => peer.end() })
  await expect(AgentClient.connect(peer.connection)).rejects.toEqual(unavailable)
})

test.each([2, 8])('a stream that is reset with code %i before its end is not a complete body', async (code) => {
  const client = await rawClient((streamId, peer) => {
    peer.send(FRAME.headers, END_HEADERS, streamId, STATUS_200)
    peer.send(FRAME.data, 0, streamId, Buffer.from('part'))
    peer.send(FRAME.reset, 0, streamId, Buffer.from([0, 0, 0, code]))
  })
  const tree = await client.readTree('/f', 'u')
  await expect(tree.bytes(1000)).rejects.toEqual(unavailable)
  expect(client.loss).toBeNull()
  client.destroy()
})

test('a body that is shorter than its Content-Length is not complete', async () => {
  const client = await rawClient((streamId, peer) => {
    const literal = (name: string, value: string) =>
      Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)])
    const headers = [STATUS_200, literal('content-length', '10'), literal('k2-file-size', '10')]
    peer.send(FRAME.headers, END_HEADERS, streamId, Buffer.concat(headers))
    peer.send(FRAME.data, END_STREAM, streamId, Buffer.from('part'))
  })
  const reading = client.readFile('/f', 'u').then(({ body }) => body.bytes(1000))
  await expect(reading).rejects.toEqual(unavailable)
  client.destroy()
})

test('an agent that stops answering pings is lost', async () => {
  const client = await rawClient(() => {}, { answersPings: false })
  const pending = client.stat('/x', 'u')
  await expect(pending).rejects.toEqual(unavailable)
  expect(await client.closed).toEqual(unavailable)
})

test('an agent that only answers pings does not hold a call for ever', async () => {
  const client = await rawClient(() => {})
  const pending = client.shutdown(-9_950)
  await expect(pending).rejects.toMatchObject({ code: 'AGENT_UNAVAILABLE', message: expect.stringContaining('50 ms') })
  expect(client.loss).toBeNull()
  client.destroy()
})

test('an answer that begins and never ends does not hold a call for ever', async () => {
  const client = await rawClient((streamId, peer) => {
    peer.send(FRAME.headers, END_HEADERS, streamId, STATUS_200)
    peer.send(FRAME.data, 0, streamId, Buffer.from('{'))
  })
  await expect(client.shutdown(-9_950)).rejects.toEqual(unavailable)
  client.destroy()
})

test('headers without end are cut off', async () => {
  const client = await rawClient((streamId, peer) => {
    peer.send(FRAME.headers, 0, streamId, STATUS_200)
    const one = Buffer.concat([Buffer.from([0, 1]), Buffer.from('x'), Buffer.from([100]), Buffer.alloc(100, 'y')])
    const many = Buffer.concat(Array.from({ length: 100 }, () => one))
    for (let index = 0; index < 200; index++) peer.send(FRAME.continuation, 0, streamId, many)
  })
  await expect(client.stat('/x', 'u')).rejects.toEqual(unavailable)
  client.destroy()
})

test('a header larger than 16 KiB fails the call', async () => {
  await using agent = await FakeAgent.start({
    'GET /v1/files/stat': ({ stream }) => {
      stream.respond({ ':status': 200, big: 'x'.repeat(20_000) })
      stream.end('{}')
    },
  })
  const client = await AgentClient.connect(await agent.connect())
  await expect(client.stat('/x', 'u')).rejects.toEqual(unavailable)
  client.destroy()
})

test('a pushed stream ends the session', async () => {
  const client = await rawClient((streamId, peer) => {
    peer.send(FRAME.pushPromise, END_HEADERS, streamId, Buffer.from([0, 0, 0, 2, 0x82, 0x87, 0x84]))
  })
  await expect(client.stat('/x', 'u')).rejects.toEqual(unavailable)
  expect(await client.closed).toEqual(unavailable)
})

test('a heartbeat, or a call, on a session that Node has ended and not said so yet does no harm', async () => {
  for (let round = 0; round < 100; round++) {
    const pushed = Buffer.from([0, 0, 0, 2, 0x82, 0x87, 0x84])
    const client = await rawClient((streamId, peer) => peer.send(FRAME.pushPromise, END_HEADERS, streamId, pushed), {
      heartbeatMs: 1,
    })
    const calls = Array.from({ length: 3 }, () => client.stat('/x', 'u').catch((error: unknown) => error))
    expect(await Promise.all(calls)).toEqual(Array(3).fill(unavailable))
    expect(await client.closed).toEqual(unavailable)
    expect(await client.stat('/x', 'u').catch((error: unknown) => error)).toEqual(unavailable)
  }
})

test('a GOAWAY ends the session and its calls', async () => {
  const client = await rawClient((_, peer) => peer.send(FRAME.goaway, 0, 0, Buffer.alloc(8)))
  await expect(client.stat('/x', 'u')).rejects.toEqual(unavailable)
  expect(client.loss).toEqual(unavailable)
})

const entry = { name: 'f', path: '/f', type: 'file', size: 5, mode: 0o600, uid: 1, gid: 2, mtime: 3 }

test.each<[string, string]>([
  ['no JSON', 'hello'],
  ['a list', '[]'],
  ['nothing', ''],
  ['null', 'null'],
  ['a negative size', JSON.stringify({ ...entry, size: -1 })],
  ['a size above 2^53', JSON.stringify({ ...entry, size: 2 ** 60 })],
  ['a size that is text', JSON.stringify({ ...entry, size: '5' })],
  ['an unknown type', JSON.stringify({ ...entry, type: 'door' })],
  ['more than 12 mode bits', JSON.stringify({ ...entry, mode: 0o100644 })],
  ['a name without end', JSON.stringify({ ...entry, name: 'x'.repeat(5000) })],
  ['values only in its prototype', `{"__proto__": ${JSON.stringify(entry)}}`],
  ['more than 1 MiB', JSON.stringify({ ...entry, padding: 'x'.repeat(1 << 20) })],
])('an entry that is %s ends the session', async (_, body) => {
  await using agent = await FakeAgent.start({
    'GET /v1/files/stat': ({ stream }) => {
      stream.respond({ ':status': 200 })
      stream.end(body)
    },
  })
  const client = await AgentClient.connect(await agent.connect())
  await expect(client.stat('/x', 'u')).rejects.toEqual(unavailable)
  expect(client.loss).toEqual(unavailable)
})

test('a listing with more entries than were asked for ends the session', async () => {
  await using agent = await FakeAgent.start({
    'GET /v1/files/list': (call) => answer(call, 200, { entries: [entry, entry, entry], truncated: false }),
  })
  const client = await AgentClient.connect(await agent.connect())
  await expect(client.list('/x', 'u', { limit: 2 })).rejects.toEqual(unavailable)
  expect(client.loss).toEqual(unavailable)
})

const stream =
  (...frames: Uint8Array[]): FakeHandler =>
  (call) => {
    call.stream.respond({ ':status': 200 })
    call.stream.end(Buffer.concat(frames))
  }
const huge = Buffer.from([1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])
const first = frame(0, statusOf('p1'))

test.each<[string, FakeHandler]>([
  ['a frame of unknown type', stream(first, frame(7, 'x'))],
  ['a frame of 4 GiB', stream(first, huge)],
  ['bytes where zeros belong', stream(first, Buffer.from([1, 0, 1, 0, 0, 0, 0, 0]))],
  ['no status first', stream(frame(1, 'x'))],
  ['two first frames', stream(first, first)],
  ['bytes after the last frame', stream(first, frame(3, exited('p1')), frame(1, 'x'))],
  ['a time of 4 bytes', stream(first, frame(4, Buffer.alloc(4)))],
  ['a number above 2^53', stream(first, frame(5, Buffer.alloc(8, 0xff)))],
  ['a status that is no JSON', stream(frame(0, 'x'))],
  ['an end that is still running', stream(first, frame(3, statusOf('p1')))],
  ['an exit code of 256', stream(first, frame(3, exited('p1', { exit_code: 256 })))],
  ['a reason of its own', stream(first, frame(3, exited('p1', { reason: 'bored' })))],
  ['a signal that is no name', stream(first, frame(3, exited('p1', { signal: 'SIG\nKILL' })))],
])('output with %s ends the session and no other', async (_, handler) => {
  await using agent = await FakeAgent.start({ 'POST /v1/processes': handler })
  const other = await AgentClient.connect(await agent.connect())
  const client = await AgentClient.connect(await agent.connect())
  const reading = client.startProcess(request).then(({ output }) => Array.fromAsync(output))
  await expect(reading).rejects.toEqual(unavailable)
  expect(client.loss).toEqual(unavailable)
  expect((await other.info()).bootId).toBe('boot-1')
  other.destroy()
})

test('an error answer without sense is AGENT_UNAVAILABLE with our words', async () => {
  await using agent = await FakeAgent.start({
    'GET /v1/files/stat': ({ stream: answerStream }) => {
      answerStream.respond({ ':status': 500 })
      answerStream.end(Buffer.alloc(200_000, 'A'))
    },
  })
  const client = await AgentClient.connect(await agent.connect())
  const error = await client.stat('/x', 'u').catch((thrown: unknown) => thrown)
  expect(error).toEqual(unavailable)
  expect((error as Error).message).not.toContain('AAA')
  client.destroy()
})

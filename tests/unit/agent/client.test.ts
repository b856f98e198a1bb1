import { duplexPair, PassThrough, Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { AgentClient } from '../../../src/agent/client.ts'
import type { OutputEvent } from '../../../src/agent/types.ts'
import { SandboxError } from '../../../src/errors.ts'
import { answer, exited, FakeAgent, type FakeHandler, type FakeRequest, frame, INFO, statusOf } from './fake-agent.ts'

const never: FakeHandler = () => {}

async function serve(routes: Record<string, FakeHandler>, options: Parameters<typeof AgentClient.connect>[1] = {}) {
  const agent = await FakeAgent.start(routes)
  const client = await AgentClient.connect(await agent.connect(), options)
  return {
    agent,
    client,
    async [Symbol.asyncDispose]() {
      client.destroy()
      await agent[Symbol.asyncDispose]()
    },
  }
}

const unavailable = expect.objectContaining({ name: 'SandboxError', code: 'AGENT_UNAVAILABLE' })

test('connect asks the agent who it is', async () => {
  await using at = await serve({})
  expect(at.client.bootId).toBe('boot-1')
  expect(at.client.greeting).toEqual({ version: 'fake', bootId: 'boot-1', startedAt: 1, pid: 1, processes: 0 })
})

test('connect works over a duplex that is no socket', async () => {
  const [near, far] = duplexPair()
  const { performServerHandshake } = await import('node:http2')
  const session = performServerHandshake(far)
  session.on('error', () => {})
  session.on('stream', (stream) => {
    stream.respond({ ':status': 200 })
    stream.end(JSON.stringify(INFO))
  })
  const client = await AgentClient.connect(near)
  expect(client.bootId).toBe('boot-1')
  far.destroy()
  expect(await client.closed).toEqual(unavailable)
})

test('connect refuses another protocol version and ends the connection', async () => {
  await using agent = await FakeAgent.start({
    'GET /v1/info': (request) => answer(request, 200, { ...INFO, protocol: 2 }),
  })
  const connection = await agent.connect()
  await expect(AgentClient.connect(connection)).rejects.toEqual(unavailable)
  expect(connection.destroyed).toBe(true)
})

test('connect gives up after its time and ends the connection', async () => {
  await using agent = await FakeAgent.start({ 'GET /v1/info': never })
  const connection = await agent.connect()
  await expect(AgentClient.connect(connection, { timeoutMs: 50 })).rejects.toEqual(unavailable)
  expect(connection.destroyed).toBe(true)
})

test('connect ends with the reason of its signal and ends the connection', async () => {
  await using agent = await FakeAgent.start({ 'GET /v1/info': never })
  const connection = await agent.connect()
  const why = new Error('left')
  const end = new AbortController()
  const connecting = AgentClient.connect(connection, { signal: end.signal })
  end.abort(why)
  await expect(connecting).rejects.toBe(why)
  expect(connection.destroyed).toBe(true)
})

test('a started process gives its events in order up to its end', async () => {
  let sent: unknown
  await using at = await serve({
    'POST /v1/processes': async (request) => {
      sent = JSON.parse((await request.body()).toString())
      request.stream.respond({ ':status': 200 })
      request.stream.write(frame(0, statusOf('p1')))
      request.stream.write(frame(1, 'out'))
      request.stream.write(frame(2, 'err'))
      request.stream.end(frame(3, exited('p1', { exit_code: 3 })))
    },
  })
  const { processId, output } = await at.client.startProcess({
    id: 'p1',
    argv: ['x'],
    env: { A: 'b' },
    cwd: '/',
    user: '1:1',
    timeoutMs: 9,
  })
  const events: OutputEvent[] = []
  for await (const event of output) events.push(event)
  expect(processId).toBe('p1')
  expect(sent).toEqual({
    id: 'p1',
    argv: ['x'],
    env: { A: 'b' },
    cwd: '/',
    user: '1:1',
    stdin: 'none',
    timeout_ms: 9,
    follow: true,
    time: false,
  })
  expect(events.map(({ type }) => type)).toEqual(['status', 'stdout', 'stderr', 'ended'])
  expect(events[1]).toEqual({ type: 'stdout', bytes: Buffer.from('out') })
  expect(events[3]).toMatchObject({ status: { exitCode: 3, reason: 'exited', cpuSeconds: 0.5, peakMemoryBytes: 4096 } })
})

test.each([
  ['NOT_FOUND', 404, 'FILE_NOT_FOUND'],
  ['IS_A_DIRECTORY', 400, 'PATH_IS_DIRECTORY'],
  ['NOT_A_DIRECTORY', 400, 'PATH_NOT_DIRECTORY'],
  ['NOT_A_REGULAR_FILE', 400, 'PATH_NOT_REGULAR_FILE'],
  ['ALREADY_EXISTS', 409, 'FILE_EXISTS'],
  ['REFUSED', 400, 'PATH_REFUSED'],
  ['NO_SPACE', 507, 'NO_SPACE_IN_SANDBOX'],
  ['TOO_LARGE', 413, 'FILE_TOO_LARGE'],
  ['READ_ONLY', 403, 'PERMISSION_DENIED'],
  ['SHUTTING_DOWN', 503, 'SANDBOX_STATE_CONFLICT'],
  ['SANDBOX_NOT_FOUND', 404, 'AGENT_UNAVAILABLE'],
  ['__proto__', 404, 'AGENT_UNAVAILABLE'],
])('the agent error %s becomes what the API calls it', async (code, status, expected) => {
  await using at = await serve({ 'GET /v1/files/stat': (request) => answer(request, status, { code, message: 'no' }) })
  await expect(at.client.stat('/x', 'u')).rejects.toMatchObject({ code: expected })
})

test('an agent message is one printable line of 500 characters at most', async () => {
  const message = `\u001b[31mred\r\nline ${'x'.repeat(2000)}`
  await using at = await serve({
    'GET /v1/files/stat': (request) => answer(request, 404, { code: 'NOT_FOUND', message }),
  })
  const error = await at.client.stat('/x', 'u').catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(SandboxError)
  expect((error as SandboxError).message).toMatch(/^\[31mred line x+…$/)
  expect((error as SandboxError).message).toHaveLength(500)
})

test('paths are sent as their bytes, also those that are not UTF-8', async () => {
  await using at = await serve({
    'GET /v1/files/stat': (request) => {
      answer(request, 404, { code: 'NOT_FOUND', message: request.query.get('path') ?? '' })
    },
  })
  await expect(at.client.stat('/a b/&=?%ü', 'u')).rejects.toMatchObject({ message: '/a b/&=?%ü' })
  await expect(at.client.stat(Buffer.from([0x2f, 0xff]), 'u')).rejects.toMatchObject({ message: '/\ufffd' })
})

test('a connection that dies fails every pending call, none as complete', async () => {
  const streaming: FakeHandler = ({ stream }) => {
    stream.respond({ ':status': 200, 'k2-file-size': '1000', 'content-length': '1000' })
    stream.write(Buffer.alloc(10))
  }
  await using at = await serve({
    'GET /v1/files/content': streaming,
    'GET /v1/files/archive': ({ stream }) => {
      stream.respond({ ':status': 200 })
      stream.write(Buffer.alloc(10))
    },
    'GET /v1/files/stat': never,
  })
  const { body } = await at.client.readFile('/f', 'u')
  const tree = await at.client.readTree('/f', 'u')
  const outcomes = Promise.allSettled([body.bytes(2000), tree.bytes(2000), at.client.stat('/f', 'u')])
  at.agent.cut()
  for (const outcome of await outcomes) expect(outcome).toEqual({ status: 'rejected', reason: unavailable })
  expect(await at.client.closed).toEqual(unavailable)
  await expect(at.client.info()).rejects.toEqual(unavailable)
})

test('what arrived before a loss can be read, then the loss is thrown', async () => {
  await using at = await serve({
    'POST /v1/processes': ({ stream }) => {
      stream.respond({ ':status': 200 })
      stream.write(Buffer.concat([frame(0, statusOf('p1')), frame(1, 'first')]), () => at.agent.cut())
    },
  })
  const { output } = await at.client.startProcess({ id: 'p1', argv: ['x'], env: {}, cwd: '/', user: '1:1' })
  await at.client.closed
  expect(await output.next()).toMatchObject({ value: { type: 'status' } })
  expect(await output.next()).toMatchObject({ value: { type: 'stdout' } })
  await expect(output.next()).rejects.toEqual(unavailable)
})

test('a stream of output that ends without the last status was cut', async () => {
  await using at = await serve({
    'POST /v1/processes': ({ stream }) => {
      stream.respond({ ':status': 200 })
      stream.end(Buffer.concat([frame(0, statusOf('p1')), frame(1, 'x')]))
    },
  })
  const { output } = await at.client.startProcess({ id: 'p1', argv: ['x'], env: {}, cwd: '/', user: '1:1' })
  await expect(Array.fromAsync(output)).rejects.toEqual(unavailable)
})

test('an aborted signal resets the request at the agent and throws its reason', async () => {
  const { promise: reset, resolve } = Promise.withResolvers<number>()
  await using at = await serve({
    'GET /v1/files/archive': ({ stream }) => {
      stream.on('close', () => resolve(stream.rstCode ?? -1))
      stream.respond({ ':status': 200 })
      stream.write(Buffer.alloc(10))
    },
  })
  const why = new Error('left')
  const end = new AbortController()
  const tree = await at.client.readTree('/f', 'u', { signal: end.signal })
  const reading = tree.bytes(1000)
  end.abort(why)
  await expect(reading).rejects.toBe(why)
  expect(await reset).toBe(8)
  expect((await at.client.info()).pid).toBe(1)
})

test('a signal that is aborted already sends nothing', async () => {
  await using at = await serve({})
  const why = new Error('left')
  await expect(at.client.stat('/x', 'u', { signal: AbortSignal.abort(why) })).rejects.toBe(why)
  expect(at.agent.requests).toEqual(['GET /v1/info'])
})

test('leaving the output early resets the stream at the agent', async () => {
  const { promise: reset, resolve } = Promise.withResolvers<number>()
  await using at = await serve({
    'POST /v1/processes': ({ stream }) => {
      stream.on('close', () => resolve(stream.rstCode ?? -1))
      stream.respond({ ':status': 200 })
      stream.write(frame(0, statusOf('p1')))
    },
  })
  const { output } = await at.client.startProcess({ id: 'p1', argv: ['x'], env: {}, cwd: '/', user: '1:1' })
  for await (const _ of output) break
  expect(await reset).toBe(8)
})

/** Starts a process whose output is complete, follows it to its end, and tells how the agent saw the stream end. */
async function streamEndOf(afterEnd: (stream: FakeRequest['stream']) => void): Promise<number> {
  const { promise: closed, resolve } = Promise.withResolvers<number>()
  await using at = await serve({
    'POST /v1/processes': ({ stream }) => {
      stream.on('close', () => resolve(stream.rstCode ?? -1))
      stream.respond({ ':status': 200 })
      stream.write(Buffer.concat([frame(0, statusOf('p1')), frame(3, exited('p1'))]))
      afterEnd(stream)
    },
  })
  const { output } = await at.client.startProcess({ id: 'p1', argv: ['x'], env: {}, cwd: '/', user: '1:1' })
  for await (const event of output) if (event.type === 'ended') break
  return await closed
}

test('the end of a complete output is waited for, not cut', async () => {
  expect(await streamEndOf((stream) => setImmediate(() => stream.end()))).toBe(0)
})

test('an agent that leaves a complete output open has it reset', async () => {
  expect(await streamEndOf(() => {})).toBe(8)
})

test('large uploads that the agent is slow to take do not refuse other calls', async () => {
  const going = Promise.withResolvers<void>()
  await using at = await serve({
    'PUT /v1/files/content': async (request) => {
      await going.promise
      const { length } = await request.body()
      answer(request, 200, { name: 'f', path: '/f', type: 'file', size: length, mode: 0o600, uid: 1, gid: 2, mtime: 0 })
    },
  })
  const content = Buffer.alloc(48 << 20)
  const uploads = [1, 2].map(() => at.client.writeFile('/f', 'u', content))
  expect((await at.client.info()).pid).toBe(1)
  going.resolve()
  expect((await Promise.all(uploads)).map((entry) => entry.sizeBytes)).toEqual([content.length, content.length])
})

test('a small file is written and its entry returned', async () => {
  let seen: { body: string; mode: string | null } | undefined
  const entry = { name: 'f', path: '/f', type: 'file', size: 5, mode: 0o600, uid: 1, gid: 2, mtime: -5 }
  await using at = await serve({
    'PUT /v1/files/content': async (request) => {
      seen = { body: (await request.body()).toString(), mode: request.query.get('mode') }
      answer(request, 200, entry)
    },
  })
  expect(await at.client.writeFile('/f', 'u', Buffer.from('hello'), { mode: 0o600 })).toEqual({
    name: 'f',
    nameBase64: null,
    path: '/f',
    type: 'file',
    sizeBytes: 5,
    mode: 0o600,
    uid: 1,
    gid: 2,
    mtime: -5,
    target: null,
    etag: null,
  })
  expect(seen).toEqual({ body: 'hello', mode: '0600' })
})

test('an upload from a stream arrives whole and in order', async () => {
  let received: Buffer = Buffer.alloc(0)
  await using at = await serve({
    'PUT /v1/files/archive': async (request) => {
      received = await request.body()
      answer(request, 200, { entries: 1, bytes: received.length })
    },
  })
  const chunks = Array.from({ length: 200 }, (_, index) => Buffer.alloc(50_000, index))
  expect(await at.client.writeTree('/f', 'u', Readable.from(chunks))).toEqual({ entries: 1, sizeBytes: 10_000_000 })
  expect(received.equals(Buffer.concat(chunks))).toBe(true)
})

test('an upload whose source fails is reset, and the call throws the source error', async () => {
  const { promise: aborted, resolve } = Promise.withResolvers<void>()
  await using at = await serve({ 'PUT /v1/files/archive': ({ stream }) => void stream.on('aborted', resolve).resume() })
  const source = new PassThrough()
  const writing = at.client.writeTree('/f', 'u', source)
  source.write('part')
  const why = new Error('disk')
  source.destroy(why)
  await expect(writing).rejects.toBe(why)
  await aborted
})

test('an upload that the agent refuses half-way ends with its error and leaves the source alone', async () => {
  await using at = await serve({
    'PUT /v1/files/archive': (request) => answer(request, 400, { code: 'ARCHIVE_UNSAFE', message: 'entry ../x' }),
  })
  const source = new PassThrough()
  source.write('part')
  await expect(at.client.writeTree('/f', 'u', source)).rejects.toMatchObject({
    code: 'ARCHIVE_UNSAFE',
    message: 'entry ../x',
  })
  expect(source.destroyed).toBe(false)
  expect(source.listenerCount('data')).toBe(0)
})

test('a slow reader holds no more than the windows allow', async () => {
  let sent = 0
  await using at = await serve({
    'GET /v1/files/archive': ({ stream }) => {
      stream.respond({ ':status': 200 })
      const block = Buffer.alloc(1 << 20)
      const more = () => {
        while (sent < 64 << 20) {
          sent += block.length
          if (!stream.write(block)) {
            stream.once('drain', more)
            return
          }
        }
        stream.end()
      }
      more()
    },
  })
  const tree = await at.client.readTree('/f', 'u')
  // Calls on the same connection are not held up by a stream that nobody reads.
  for (let index = 0; index < 20; index++) await at.client.info()
  expect(sent).toBeLessThan(8 << 20)
  expect((await tree.bytes(100 << 20)).length).toBe(64 << 20)
})

test('bytes above the limit end the read with FILE_TOO_LARGE', async () => {
  await using at = await serve({
    'GET /v1/files/content': ({ stream }) => {
      stream.respond({ ':status': 200, 'k2-file-size': '2000', 'content-length': '2000' })
      stream.end(Buffer.alloc(2000))
    },
  })
  const { body, sizeBytes } = await at.client.readFile('/f', 'u')
  expect(sizeBytes).toBe(2000)
  await expect(body.bytes(1999)).rejects.toMatchObject({ code: 'FILE_TOO_LARGE' })
})

test('a body as a stream of Node passes on bytes and losses', async () => {
  await using at = await serve({
    'GET /v1/files/archive': ({ stream, query }) => {
      stream.respond({ ':status': 200 })
      if (query.get('user') === 'whole') stream.end('all of it')
      else stream.write('part', () => at.agent.cut())
    },
  })
  const whole = await at.client.readTree('/f', 'whole')
  expect(Buffer.concat(await Array.fromAsync(whole.stream())).toString()).toBe('all of it')
  const cut = await at.client.readTree('/f', 'cut')
  await expect(Array.fromAsync(cut.stream())).rejects.toEqual(unavailable)
})

/** What only a real connection shows. */
import { once } from 'node:events'
import { request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, test } from 'vitest'
import { isSandboxError } from '../../../src/errors.ts'
import { HTTP_DEFAULTS } from '../../../src/http/http-config.ts'
import { PreviewSites } from '../../../src/http/preview-sites.ts'
import { serverOptions } from '../../../src/http/server-options.ts'
import { buildTestApp, type Changes, COMMAND, ENTRY, ID, standIns } from './stand-ins.ts'

async function listen(changes: Changes = {}) {
  const app = await buildTestApp(changes)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  return { app, port, url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => app.close() }
}

const postCommand = (url: string, body = '{"command":"x"}', init: RequestInit = {}) =>
  fetch(`${url}/sandboxes/${ID}/command`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    ...init,
  })

/** Writes `text` as it is and gives all that comes back until the server closes. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(text)
  let answer = ''
  for await (const chunk of socket) answer += chunk
  return answer
}

/** Commands that run until they are let go, and tell when one has begun. */
function blockingCommands() {
  const begun = Promise.withResolvers<AbortSignal>()
  const finish = Promise.withResolvers<void>()
  const commands: NonNullable<Changes['commands']> = {
    run: async (_id, _command, { signal }) => {
      if (!signal) throw new Error('no signal')
      begun.resolve(signal)
      await finish.promise
      return COMMAND
    },
  }
  return { commands, begun: begun.promise, finish: finish.resolve }
}

test('a client that leaves aborts its work, with a reason that says so', async () => {
  const { commands, begun, finish } = blockingCommands()
  await using server = await listen({ commands })
  const leave = new AbortController()
  const answer = postCommand(server.url, undefined, { signal: leave.signal })
  const signal = await begun
  expect(signal.aborted).toBe(false)
  leave.abort()
  await expect(answer).rejects.toThrow()
  if (!signal.aborted) await once(signal, 'abort')
  expect(isSandboxError(signal.reason, 'CLIENT_GONE')).toBe(true)
  finish()
})

test('a client that stays until the answer aborts nothing', async () => {
  const { commands, begun, finish } = blockingCommands()
  await using server = await listen({ commands })
  const answer = postCommand(server.url)
  const signal = await begun
  finish()
  expect((await answer).status).toBe(200)
  await server.app.close()
  expect(signal.aborted).toBe(false)
})

test('a body over the limit is 413, announced or not, and the server still closes', async () => {
  await using server = await listen({ config: { bodyLimitBytes: 1000, fileBodyLimitBytes: 3000 } })
  const body = JSON.stringify({ command: 'x'.repeat(2000) })
  const announced = await postCommand(server.url, body)
  expect([announced.status, ((await announced.json()) as { code: string }).code]).toEqual([413, 'PAYLOAD_TOO_LARGE'])
  const chunks = new Blob([body]).stream()
  const streamed = await postCommand(server.url, undefined, { body: chunks, duplex: 'half' } as RequestInit)
  expect(streamed.status).toBe(413)
})

test('the filesystem route takes larger bodies than the others', async () => {
  await using server = await listen({ config: { bodyLimitBytes: 1000, fileBodyLimitBytes: 3000 } })
  const write = (size: number) =>
    fetch(`${server.url}/sandboxes/${ID}/filesystem`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ action: 'write', path: 'x', content: 'x'.repeat(size) }),
    })
  expect((await write(2000)).status).toBe(200)
  expect((await write(4000)).status).toBe(413)
})

test('headers over the limit are 431 as a problem', async () => {
  await using server = await listen()
  const answer = await raw(server.port, `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`)
  expect(answer).toMatch(/^HTTP\/1\.1 431 /)
  expect(answer).toContain('"code":"HEADERS_TOO_LARGE"')
})

test.each([
  ['two lengths', `POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx`],
  [
    'a length and chunks',
    `POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['no HTTP', 'hello\r\n\r\n'],
])('a request with %s is 400 as a problem', async (_what, text) => {
  await using server = await listen()
  const answer = await raw(server.port, text)
  expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  expect(answer).toContain('"code":"INVALID_REQUEST"')
})

test('two Host headers, or none that is ours, are refused', async () => {
  await using server = await listen()
  const two = await raw(
    server.port,
    'GET / HTTP/1.1\r\nhost: localhost\r\nHost: evil.example\r\nconnection: close\r\n\r\n',
  )
  expect(two).toMatch(/^HTTP\/1\.1 (400|421) /)
  expect(await raw(server.port, 'GET / HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 421 /)
})

test('a request whose headers or body never arrive is ended with 408', async () => {
  await using server = await listen({ config: { headersTimeoutMs: 200, requestTimeoutMs: 200 } })
  expect(await raw(server.port, 'GET / HTTP/1.1\r\nhost: lo')).toMatch(/^HTTP\/1\.1 408 /)
  const half = `POST /sandboxes/${ID}/command HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{"co`
  expect(await raw(server.port, half)).toMatch(/^HTTP\/1\.1 408 /)
})

test('an upload that stops in the middle is ended with 408, one that goes on slowly is not', async () => {
  await using server = await listen({
    config: { stalledMs: 200, requestTimeoutMs: 200 },
    fileContents: {
      ...standIns().fileContents,
      replace: async (_id, _path, body) => {
        for await (const _chunk of body);
        return ENTRY
      },
    },
  })
  const head = `PUT /sandboxes/${ID}/files?path=a HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 20\r\n\r\n`
  expect(await raw(server.port, `${head}half`)).toMatch(/^HTTP\/1\.1 408 /)
  const slow = request({
    port: server.port,
    method: 'PUT',
    path: `/sandboxes/${ID}/files?path=a`,
    headers: { 'content-length': 8 },
  })
  const answered = once(slow, 'response')
  for (const byte of '12345678') {
    slow.write(byte)
    await new Promise((resolve) => setTimeout(resolve, 60))
  }
  slow.end()
  const [answer] = await answered
  expect(answer.statusCode).toBe(200)
  answer.resume()
})

test('connections over the cap are dropped, those within are served', async () => {
  await using server = await listen({ config: { maxConnections: 1 } })
  const held = connect(server.port, '127.0.0.1')
  await once(held, 'connect')
  await expect(fetch(`${server.url}/`)).rejects.toThrow()
  held.destroy()
  await once(held, 'close')
})

test('close lets a request in flight finish and answers new ones with 503', async () => {
  const { commands, begun, finish } = blockingCommands()
  const { app, port, url } = await listen({ commands })
  const running = postCommand(url)
  await begun
  const idle = connect(port, '127.0.0.1')
  await once(idle, 'connect')
  const closed = app.close()
  await new Promise(setImmediate)
  const refused = await raw(port, 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n')
  expect(refused).toMatch(/^HTTP\/1\.1 503 /)
  expect(refused).toContain('"code":"SHUTTING_DOWN"')
  expect(refused.toLowerCase()).toContain('connection: close')
  finish()
  const answer = await running
  expect([answer.status, ((await answer.json()) as { stdout: string }).stdout]).toEqual([200, 'out\n'])
  idle.destroy()
  await closed
})

test('close cuts what does not finish within the grace, which aborts its work', async () => {
  const { commands, begun, finish } = blockingCommands()
  const { app, url } = await listen({ commands, config: { shutdownGraceMs: 50 } })
  const running = postCommand(url)
  const signal = await begun
  const closed = app.close()
  await expect(running).rejects.toThrow()
  if (!signal.aborted) await once(signal, 'abort')
  await closed
  finish()
})

test('a grace as long as it may be does not run into the time that the framework gives to hooks', () => {
  const config = { ...HTTP_DEFAULTS, shutdownGraceMs: 600_000 }
  expect(serverOptions(config, new PreviewSites(''), undefined).pluginTimeout).toBeGreaterThan(config.shutdownGraceMs)
})

test('close does not wait for idle keep-alive connections', async () => {
  const { app, port } = await listen()
  const idle = request({ port, path: '/healthz', headers: { connection: 'keep-alive' } }).end()
  const [response] = await once(idle, 'response')
  response.resume()
  await once(response, 'end')
  await app.close()
})

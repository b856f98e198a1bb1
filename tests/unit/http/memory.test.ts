import { once } from 'node:events'
import { request } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { buildTestApp, ID, standIns } from './stand-ins.ts'

const MIB = 1024 * 1024
const JSON_TYPE = { 'content-type': 'application/json' }
const PATH = `/sandboxes/${ID}/filesystem`

type App = Awaited<ReturnType<typeof buildTestApp>>

async function listen(app: App): Promise<number> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

test('a body that the budget has no room for is refused with 503 and Retry-After, and room comes back with the answer', async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
  const write = async () => {
    arrive()
    await gate
  }
  await using app = await buildTestApp({ config: { bufferBytes: 3 * MIB }, files: { ...standIns().files, write } })
  const url = `http://127.0.0.1:${await listen(app)}${PATH}`
  const body = JSON.stringify({ action: 'write', path: 'a', content: 'x'.repeat(2 * MIB) })
  const send = () => fetch(url, { method: 'POST', headers: JSON_TYPE, body })
  const first = send()
  await arrived
  const refused = await send()
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(await refused.json()).toMatchObject({ code: 'SERVER_BUSY' })
  open()
  expect((await first).status).toBe(200)
  expect((await send()).status).toBe(200)
})

test('a client that takes nothing of its answer is cut, one that reads slowly is not', async () => {
  const content = Buffer.alloc(32 * MIB, 'x')
  const read = async () => content
  await using app = await buildTestApp({ config: { stalledMs: 300 }, files: { ...standIns().files, read } })
  const port = await listen(app)
  const body = JSON.stringify({ action: 'read', path: 'a' })

  const accepted = once(app.server, 'connection') as Promise<[Socket]>
  const stalled = connect(port, '127.0.0.1')
  stalled.on('error', () => undefined).pause()
  const head = [
    `POST ${PATH} HTTP/1.1`,
    'host: 127.0.0.1',
    'content-type: application/json',
    `content-length: ${body.length}`,
  ]
  stalled.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  const [connection] = await accepted
  await once(connection, 'close')
  stalled.destroy()

  expect(await readSlowly(port, body)).toBeGreaterThan(32 * MIB)
})

test('a stream of which a client takes nothing is cut, one that is silent for long is not', async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const output = standIns().processOutput
  const follow: typeof output.follow = async (_id, processId, _from, onEvent, { signal }) => {
    await onEvent({ type: 'start', processId, startedAt: 0, language: null, contextId: null })
    if (processId === 'silent') await gate
    const bytes = Buffer.alloc(MIB)
    while (processId === 'flood' && !signal?.aborted)
      await onEvent({ type: 'stdout', bytes, timestampMs: 0, offset: 0 })
    return await output.follow(_id, processId, _from, onEvent, {})
  }
  await using app = await buildTestApp({ config: { stalledMs: 200 }, processOutput: { ...output, follow } })
  const port = await listen(app)
  const path = (processId: string) => `/sandboxes/${ID}/processes/${processId}/output`
  const headers = { accept: 'application/octet-stream' }
  const silent = await fetch(`http://127.0.0.1:${port}${path('silent')}`, { headers })

  const accepted = once(app.server, 'connection') as Promise<[Socket]>
  const stalled = connect(port, '127.0.0.1')
  stalled.on('error', () => undefined).pause()
  stalled.write(`GET ${path('flood')} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: ${headers.accept}\r\n\r\n`)
  const [connection] = await accepted
  await once(connection, 'close')
  stalled.destroy()
  // Longer than the other was given.
  open()
  expect(await silent.text()).toBe('')
})

function readSlowly(port: number, body: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const call = request({ port, host: '127.0.0.1', method: 'POST', path: PATH, headers: JSON_TYPE, agent: false })
  call.on('error', reject).on('response', (response) => {
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      response.pause()
      setTimeout(() => response.resume(), 1)
    })
    response.on('end', () => resolve(bytes)).on('error', reject)
  })
  call.end(body)
  return promise
}

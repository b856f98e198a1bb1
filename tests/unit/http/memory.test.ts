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

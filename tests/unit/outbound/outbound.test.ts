import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { Outbound } from '../../../src/outbound/outbound.ts'

const opened: { close(): void }[] = []
afterEach(() => {
  for (const one of opened.splice(0)) one.close()
})

function outbound(allowedNetworks = ['127.0.0.0/8']): Outbound {
  const made = new Outbound({ allowedNetworks })
  opened.push(made)
  return made
}

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  opened.push(server)
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

const http = (listener: RequestListener) => listening(createServer(listener))
const post = (to: Outbound, url: string, signal?: AbortSignal) =>
  to.post(url, { headers: { 'x-one': '1' }, body: '{"a":"ü"}' }, { signal })

test('one POST, with its status; connections are used again, and one that was closed meanwhile is no failure', async () => {
  const seen: string[] = []
  const sockets = new Set<unknown>()
  const url = await http(async (request, response) => {
    sockets.add(request.socket)
    let text = ''
    for await (const chunk of request) text += chunk
    seen.push(`${request.method} ${request.headers['x-one']} ${text}`)
    response.writeHead(seen.length === 3 ? 429 : 204, { 'retry-after': '7' }).end()
    if (seen.length === 2) setImmediate(() => request.socket.destroy())
  })
  const out = outbound()
  expect(await post(out, url)).toEqual({ status: 204, retryAfterMs: 7000 })
  expect(await post(out, url)).toMatchObject({ status: 204 })
  expect(sockets.size).toBe(1)
  expect(await post(out, url)).toMatchObject({ status: 429 })
  expect(seen).toEqual(Array(3).fill('POST 1 {"a":"ü"}'))
})

test('a redirect is an answer, a long or endless one is cut, and who never answers is left with the signal', async () => {
  let more = 0
  const url = await http((request, response) => {
    if (request.url === '/redirect') response.writeHead(307, { location: '/' }).end()
    else if (request.url === '/endless') response.writeHead(200).write('x')
    else if (request.url === '/silent') request.resume()
    else {
      response.writeHead(200)
      const write = () => {
        while (!response.destroyed && more < 1e9 && response.write('x'.repeat(65536))) more += 65536
      }
      response.on('drain', write)
      write()
    }
  })
  const out = outbound()
  expect(await post(out, `${url}redirect`)).toMatchObject({ status: 307 })
  expect(await post(out, url)).toMatchObject({ status: 200 })
  expect(more).toBeLessThan(100e6)
  expect(await post(out, `${url}endless`)).toMatchObject({ status: 200 })
  const leave = new AbortController()
  const silent = post(out, `${url}silent`, leave.signal)
  setImmediate(() => leave.abort())
  await expect(silent).rejects.toThrow()
})

describe('what is no receiver says why', () => {
  test('nobody there, no HTTP, a connection that ends', async () => {
    const out = outbound()
    await expect(post(out, 'http://127.0.0.1:1/')).rejects.toThrow('nothing accepts connections there')
    const noise = createTcpServer((socket) => void socket.end('SSH-2.0\r\n'))
    await expect(post(out, await listening(noise))).rejects.toThrow('what it answered is no HTTP')
    const ends = createTcpServer((socket) => void socket.once('data', () => socket.destroy()))
    await expect(post(out, await listening(ends))).rejects.toThrow('the connection was closed before an answer came')
  })

  test('a name of loopback is refused when it is connected to, wherever it was checked before', async () => {
    const url = await http((_, response) => response.end())
    const named = url.replace('127.0.0.1', 'localhost')
    expect(await post(outbound(), named)).toMatchObject({ status: 200 })
    for (const target of [url, named]) {
      await expect(post(outbound([]), target)).rejects.toMatchObject({ code: 'WEBHOOK_URL_REFUSED' })
      await expect(outbound(['10.0.0.0/8']).check(target, {})).rejects.toMatchObject({ code: 'WEBHOOK_URL_REFUSED' })
    }
  })
})

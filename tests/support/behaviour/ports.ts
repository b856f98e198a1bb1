import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PortList, PortStatus } from '../../../schemas/port.ts'
import { type Live, useSandbox } from '../live.ts'
import { TestSocket } from '../socket.ts'
import { textOf } from '../text-of.ts'

const MIB = 1024 * 1024

/** A server that says what it got; run by the sandbox's Python. On the local engine ports are the machine's, so each suite has its own. */
const SERVER = `
import hashlib, http.server, json, socketserver, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def log_message(self, *args): pass
    def answer(self):
        length = int(self.headers.get('content-length') or 0)
        digest = hashlib.sha256()
        left = length
        if self.headers.get('transfer-encoding') == 'chunked':
            while True:
                size = int(self.rfile.readline(), 16)
                digest.update(self.rfile.read(size)); self.rfile.readline()
                length += size
                if size == 0: break
        while left:
            part = self.rfile.read(min(left, 65536)); left -= len(part); digest.update(part)
        path = self.path.split('?')[0]
        if path == '/redirect': return self.head(302, [('Location', '/elsewhere?x=1')])
        if path == '/cookie': return self.head(200, [('Set-Cookie', 'a=b; Domain=example.com; Path=/')])
        if path == '/broken': self.wfile.write(b'no http at all\\r\\n\\r\\n'); self.close_connection = True; return
        if path == '/big':
            self.send_response(200); self.send_header('content-length', str(20 * 1048576)); self.end_headers()
            for i in range(20): self.wfile.write(bytes([i]) * 1048576)
            return
        if path == '/events':
            self.send_response(200); self.send_header('content-type', 'text/event-stream'); self.end_headers()
            self.close_connection = True
            for i in range(3): self.wfile.write(b'data: %d\\n\\n' % i); self.wfile.flush(); self.rfile.readable(); time.sleep(0.05)
            return
        body = json.dumps({'method': self.command, 'path': self.path, 'headers': {k.lower(): v for k, v in self.headers.items()},
                           'bytes': length, 'sha256': digest.hexdigest()}).encode()
        self.send_response(200); self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(body))); self.end_headers()
        if self.command != 'HEAD': self.wfile.write(body)
    def head(self, status, headers):
        self.send_response(status)
        for name, value in headers: self.send_header(name, value)
        self.send_header('content-length', '0'); self.end_headers()
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128
Server(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
`

interface Seen {
  method: string
  path: string
  headers: Record<string, string>
  bytes: number
  sha256: string
}

/** Servers in a sandbox and ways to them, on every engine and over every link. */
export function describePorts(live: Live, port: number): void {
  const box = useSandbox(live)
  const path = (rest = '/') => `${live.api.url}/sandboxes/${box.id}/ports/${port}${rest}`
  const waitFor = (number: number) => live.api.json<PortStatus>('GET', `/sandboxes/${box.id}/ports/${number}?wait=20`)
  let processId = ''

  beforeAll(async () => {
    await live.api.write(box.id, 'server.py', SERVER)
    const started = await live.api.startProcess(box.id, { argv: ['python3', 'server.py', String(port)] })
    processId = started.process_id
    expect(await waitFor(port)).toMatchObject({ open: true })
  })
  afterAll(() => live.api.json('DELETE', `/sandboxes/${box.id}/processes/${processId}`))

  test('what listens is listed, with the ways to it; a port that is closed is', async () => {
    const { ports } = await live.api.json<PortList>('GET', `/sandboxes/${box.id}/ports`)
    expect(ports.find((one) => one.port === port)).toMatchObject({
      address: '127.0.0.1',
      family: 'ipv4',
      path: `/sandboxes/${box.id}/ports/${port}/`,
      url: `http://${port}-${box.id}.localhost:${new URL(live.api.url).port}/`,
    })
    const closed = await live.api.json('GET', `/sandboxes/${box.id}/ports/${port + 1}`)
    expect(closed).toEqual({ port: port + 1, open: false, listeners: [] })
    for (const number of ['0', '65536', 'x']) {
      expect((await live.api.refused('GET', `/sandboxes/${box.id}/ports/${number}`)).status).toBe(422)
    }
  })

  test('a wait ends when a server comes', async () => {
    const waiting = waitFor(port + 2)
    const argv = ['python3', '-m', 'http.server', '--bind', '127.0.0.1', String(port + 2)]
    const { process_id } = await live.api.startProcess(box.id, { argv })
    expect(await waiting).toMatchObject({ open: true, listeners: [{ port: port + 2 }] })
    await live.api.json('DELETE', `/sandboxes/${box.id}/processes/${process_id}`)
  })

  test.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('%s arrives as it was sent', async (method) => {
    const body = method === 'GET' || method === 'OPTIONS' ? undefined : 'some text'
    const answer = await fetch(path('/a%20b/c?x=1&y=%2F'), {
      method,
      ...(body === undefined ? {} : { body }),
      headers: { 'x-mine': 'kept', authorization: 'Bearer secret', 'x-api-key': 'secret', cookie: 'a=b' },
    })
    const seen = (await answer.json()) as Seen
    expect(seen).toMatchObject({ method, path: '/a%20b/c?x=1&y=%2F', bytes: body?.length ?? 0 })
    expect(seen.headers).toMatchObject({
      host: `localhost:${port}`,
      'x-mine': 'kept',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': new URL(live.api.url).host,
      'x-forwarded-proto': 'http',
      'x-forwarded-prefix': `/sandboxes/${box.id}/ports/${port}`,
    })
    for (const name of ['authorization', 'x-api-key', 'cookie']) expect(seen.headers[name]).toBeUndefined()
  })

  test('HEAD has no body, and the connection is used again', async () => {
    for (let count = 0; count < 3; count++) {
      const answer = await fetch(path('/'), { method: 'HEAD' })
      expect([answer.status, await answer.text()]).toEqual([200, ''])
    }
  })

  test('a request for a protocol that we do not speak is an ordinary one, with its body', async () => {
    const call = request(path('/h2c'), {
      method: 'POST',
      headers: {
        connection: 'Upgrade, HTTP2-Settings',
        upgrade: 'h2c',
        'http2-settings': 'AAMAAABkAAQAAP__',
        'content-length': 4,
      },
    })
    call.end('body')
    const [answer] = await once(call, 'response')
    let text = ''
    for await (const chunk of answer) text += chunk
    expect(JSON.parse(text)).toMatchObject({ method: 'POST', bytes: 4 })
  })

  test.each(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'POST'])(
    'a body of %s is never taken for the next request',
    async (method) => {
      for (const headers of [
        { 'transfer-encoding': 'chunked' },
        { 'content-length': 33, connection: 'content-length, host' },
      ]) {
        const call = request(path('/first'), { method, headers })
        call.end('GET /smuggled HTTP/1.1\r\nhost: x\r\n')
        const [answer] = await once(call, 'response')
        answer.resume()
        await once(answer, 'end')
        for (let count = 0; count < 3; count++)
          expect(await (await fetch(path('/victim'))).json()).toMatchObject({ path: '/victim' })
      }
    },
  )

  test('answers that are none, and ways to write a port that are none, are told', async () => {
    const { process_id } = await live.api.startProcess(box.id, { argv: ['python3', '-c', ODD, String(port + 6)] })
    await waitFor(port + 6)
    const ask = (rest: string) => live.api.send('GET', `/sandboxes/${box.id}/ports/${port + 6}${rest}`)
    for (const line of ['101 Switching', '099 Low', '000 None']) {
      const { status, text } = await ask(`/${encodeURIComponent(line)}`)
      expect([status, text], line).toEqual([502, expect.stringContaining('PORT_BROKEN')])
    }
    expect((await ask(`/${encodeURIComponent('200 odd\u0001')}`)).status).toBeOneOf([200, 502])
    await live.api.json('DELETE', `/sandboxes/${box.id}/processes/${process_id}`)
    expect(await live.api.get(box.id)).toMatchObject({ expires_at: expect.any(String) })
    for (const written of [`0${port}`, `%3${String(port)[0]}${String(port).slice(1)}`, `${port}.0`])
      expect((await fetch(`${live.api.url}/sandboxes/${box.id}/ports/${written}/`)).status, written).toBe(400)
  })

  test('a server that closes its connections between requests is asked anew', async () => {
    const { process_id } = await live.api.startProcess(box.id, { argv: ['python3', '-c', ONCE, String(port + 5)] })
    await waitFor(port + 5)
    for (let count = 0; count < 5; count++) {
      const answer = await fetch(`${live.api.url}/sandboxes/${box.id}/ports/${port + 5}/`)
      expect(await answer.text()).toBe('ok')
    }
    await live.api.json('DELETE', `/sandboxes/${box.id}/processes/${process_id}`)
  })

  test('large bodies go both ways', async () => {
    const bytes = randomBytes(20 * MIB)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const up = (await (await fetch(path('/up'), { method: 'POST', body: bytes })).json()) as Seen
    expect(up).toMatchObject({ bytes: bytes.length, sha256 })
    const stream = new Blob([bytes]).stream()
    const chunked = await fetch(path('/up'), { method: 'POST', body: stream, duplex: 'half' } as RequestInit)
    expect(await chunked.json()).toMatchObject({ bytes: bytes.length, sha256 })
    const down = Buffer.from(await (await fetch(path('/big'))).arrayBuffer())
    expect(down.length).toBe(20 * MIB)
    expect([down[0], down[20 * MIB - 1]]).toEqual([0, 19])
  })

  test('events come one by one', async () => {
    const answer = await fetch(path('/events'))
    expect(answer.headers.get('content-type')).toBe('text/event-stream')
    const chunks: string[] = []
    for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) chunks.push(chunk)
    expect(chunks.join('')).toBe('data: 0\n\ndata: 1\n\ndata: 2\n\n')
    expect(chunks.length).toBeGreaterThan(1)
  })

  test('under the origin of the API a page has no origin, and sets nothing for it', async () => {
    const page = await fetch(path('/cookie'))
    expect(page.headers.get('set-cookie')).toBeNull()
    expect(page.headers.get('content-security-policy')).toMatch(/^sandbox /)
    const redirect = await fetch(path('/redirect'), { redirect: 'manual' })
    expect(redirect.headers.get('location')).toBe(`/sandboxes/${box.id}/ports/${port}/elsewhere?x=1`)
  })

  test('a site of its own: cookies and credentials pass, nothing of the API is there', async () => {
    const host = `${port}-${box.id}.localhost`
    const ask = async (rest: string, headers: Record<string, string> = {}) => {
      const call = request(`${live.api.url}${rest}`, {
        headers: { host: `${host}:${new URL(live.api.url).port}`, ...headers },
      })
      call.end()
      const [answer] = await once(call, 'response')
      let text = ''
      for await (const chunk of answer) text += chunk
      return { answer, text }
    }
    const own = `http://${host}:${new URL(live.api.url).port}`
    const { text } = await ask('/sandboxes?x', { cookie: 'a=b', authorization: 'Bearer mine', origin: own })
    expect(JSON.parse(text)).toMatchObject({
      path: '/sandboxes?x',
      headers: { cookie: 'a=b', authorization: 'Bearer mine', origin: `http://localhost:${port}` },
    })
    const cookie = await ask('/cookie')
    expect(cookie.answer.headers['set-cookie']).toEqual(['a=b; Path=/'])
    expect(cookie.answer.headers['content-security-policy']).toBeUndefined()
    expect((await ask('/redirect')).answer.headers.location).toBe('/elsewhere?x=1')
    const foreign = await ask('/', { origin: 'http://evil.example' })
    expect(JSON.parse(foreign.text).headers.origin).toBe('http://evil.example')
  })

  test('a port that is closed, and a server that speaks no HTTP, are told apart', async () => {
    const closed = await live.api.refused('GET', `/sandboxes/${box.id}/ports/${port + 1}/`)
    expect(closed).toMatchObject({ status: 502, code: 'PORT_NOT_OPEN' })
    const page = await fetch(`${live.api.url}/sandboxes/${box.id}/ports/${port + 1}/`, {
      headers: { accept: 'text/html' },
    })
    expect([page.status, page.headers.get('retry-after')]).toEqual([502, '1'])
    expect(await page.text()).toContain('http-equiv="refresh"')
    expect(await live.api.refused('GET', `/sandboxes/${box.id}/ports/${port}/broken`)).toMatchObject({
      code: 'PORT_BROKEN',
    })
  })

  test('a client that leaves ends its request inside', async () => {
    const { process_id } = await live.api.startProcess(box.id, {
      argv: ['python3', '-c', LEFT, String(port + 3)],
    })
    await waitFor(port + 3)
    const leave = new AbortController()
    const asking = fetch(`${live.api.url}/sandboxes/${box.id}/ports/${port + 3}/`, { signal: leave.signal })
    asking.catch(() => {})
    const output = live.api.followProcess(box.id, process_id)
    await output.next()
    expect((await output.next()).value).toMatchObject({ text: expect.stringMatching(/^asked/) })
    leave.abort()
    expect(textOf(await Array.fromAsync(output), 'stdout')).toContain('left\n')
    await live.api.ended(box.id, process_id)
  })

  test('a tunnel carries any protocol, both ways, and ends with either side', async () => {
    const argv = ['python3', '-c', ECHO, String(port + 4)]
    const { process_id } = await live.api.startProcess(box.id, { argv })
    await waitFor(port + 4)
    const open = () => TestSocket.open(`${live.api.url}/sandboxes/${box.id}/tunnel?port=${port + 4}`)
    const tunnel = await open()
    const bytes = randomBytes(5 * MIB)
    for (let at = 0; at < bytes.length; at += 100_000) await tunnel.send(bytes.subarray(at, at + 100_000))
    await tunnel.send('end')
    expect((await tunnel.ended()).code).toBe(1000)
    expect(tunnel.bytes.equals(Buffer.concat([bytes, Buffer.from('end')]))).toBe(true)
    const left = await open()
    await left.send('x')
    left.close()
    await live.api.ended(box.id, process_id)
    await expect(open()).rejects.toThrow(/502.*PORT_NOT_OPEN/)
  })
}

/** Says when it was asked, and when whoever asked has left. */
const LEFT = `
import socket, sys
server = socket.create_server(('127.0.0.1', int(sys.argv[1])))
connection, _ = server.accept()
connection.recv(65536)
print('asked', flush=True)
try:
    while connection.recv(65536): pass
except ConnectionError: pass
print('left', flush=True)
`

/** Answers with the status line that the path asks for, and the head of an upgrade. */
const ODD = `
import socket, sys, urllib.parse
server = socket.create_server(('127.0.0.1', int(sys.argv[1])), backlog=16)
while True:
    connection, _ = server.accept()
    path = connection.recv(65536).split(b' ')[1].decode()
    line = urllib.parse.unquote(path[1:]).encode('latin-1')
    connection.sendall(b'HTTP/1.1 ' + line + b'\\r\\nconnection: Upgrade\\r\\nupgrade: foo\\r\\ncontent-length: 0\\r\\n\\r\\n')
    connection.close()
`

/** Says that it keeps a connection, and closes it after one answer. */
const ONCE = `
import socket, sys
server = socket.create_server(('127.0.0.1', int(sys.argv[1])), backlog=16)
while True:
    connection, _ = server.accept()
    connection.recv(65536)
    connection.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\nconnection: keep-alive\\r\\n\\r\\nok')
    connection.close()
`

/** Echoes two connections to their ends; one that ends in "end" it ends itself. */
const ECHO = `
import socket, sys
server = socket.create_server(('127.0.0.1', int(sys.argv[1])))
for _ in range(2):
    connection, _ = server.accept()
    while part := connection.recv(65536):
        connection.sendall(part)
        if part.endswith(b'end'): break
    connection.close()
`

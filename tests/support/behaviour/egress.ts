import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EgressState } from '../../../schemas/egress.ts'
import type { Live } from '../live.ts'

const SOCKS = `
import socket, sys
proxy, host, port = int(sys.argv[1]), sys.argv[2].encode(), int(sys.argv[3])
s = socket.create_connection(('127.0.0.1', proxy), 10)
s.sendall(b'\\x05\\x01\\x00'); assert s.recv(2) == b'\\x05\\x00'
s.sendall(b'\\x05\\x01\\x00\\x03' + bytes([len(host)]) + host + port.to_bytes(2, 'big'))
answer = s.recv(10)
print(answer[1], end=' ')
if answer[1] == 0: s.sendall(b'hello'); print(s.recv(5, socket.MSG_WAITALL).decode(), end='')
`

/** A sandbox without a network and with a list. What it may reach are servers of the test's on the loopback of the machine. */
export function describeEgress(live: Live): void {
  const web = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, headers } = request
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }))
    })
  })
  const echo = createTcpServer(
    { allowHalfOpen: true },
    (socket) => void socket.pipe(socket).on('error', () => undefined),
  )
  let id: string
  let webPort: number
  let echoPort: number
  let path: string
  const state = () => live.api.json<EgressState>('GET', path)
  const allow = (...rules: object[]) => live.api.json<EgressState>('PUT', path, { allow: rules })
  /** The proxy also for names that a proxy is not used for by itself. */
  const curl = (words: string) => live.api.output(id, `curl -s --noproxy '' --max-time 20 ${words}`)
  const status = (words: string) => curl(`-o /dev/null -w '%{http_code} %{http_connect}' ${words} || true`)

  beforeAll(async () => {
    for (const server of [web, echo]) {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    }
    webPort = (web.address() as AddressInfo).port
    echoPort = (echo.address() as AddressInfo).port
    const here = { cidr: '127.0.0.0/8', ports: [webPort, echoPort] }
    const named = { host: 'localhost', ports: [webPort, echoPort], headers: { Authorization: 'Bearer s3cret' } }
    const { sandbox_id, network } = await live.api.create({ egress: { allow: [here, named] } })
    expect(network).toBe('none')
    id = sandbox_id
    path = `/sandboxes/${id}/egress`
  })
  afterAll(async () => {
    await live.api.delete(id)
    web.closeAllConnections()
    web.close()
    echo.close()
  })

  test('plain requests reach what the list has, with its headers, which the sandbox never sees', async () => {
    const words = `-H 'Authorization: mine' -H 'Proxy-Authorization: x' -d sent http://localhost:${webPort}/a?b=1`
    const seen = JSON.parse(await curl(words))
    expect(seen).toMatchObject({ method: 'POST', url: '/a?b=1', body: 'sent' })
    expect(seen.headers).toMatchObject({ authorization: 'Bearer s3cret', host: `localhost:${webPort}` })
    expect(seen.headers).not.toHaveProperty('proxy-authorization')
    const { allow: told } = await state()
    expect(told[1]).toMatchObject({ host: 'localhost', header_names: ['Authorization'] })
    expect(JSON.stringify([told, await live.api.json('GET', `/sandboxes/${id}`)])).not.toMatch(/s3cret/)
    expect(await live.api.output(id, 'cat /proc/self/environ')).not.toMatch(/s3cret/)
  })

  test('CONNECT and SOCKS5 carry any protocol', async () => {
    const seen = JSON.parse(await curl(`-p http://localhost:${webPort}/tunnelled`))
    expect(seen.url).toBe('/tunnelled')
    expect(seen.headers).not.toHaveProperty('authorization')
    const { proxy } = await state()
    const port = new URL(proxy ?? '').port
    const socks = (host: string, to: number) =>
      live.api.output(id, `python3 - ${port} ${host} ${to} <<'END'${SOCKS}END`)
    expect(await socks('localhost', echoPort)).toBe('0 hello')
    expect(await socks('127.0.0.1', echoPort)).toBe('0 hello')
    expect(await socks('example.com', 443)).toBe('2')
  })

  test('many at once are served', async () => {
    const urls = Array.from({ length: 100 }, () => `http://localhost:${webPort}/`).join(' ')
    expect(
      await live.api.output(
        id,
        `printf '%s\\n' ${urls} | xargs -P 100 -n 1 curl -s --noproxy '' -o /dev/null -w '%{http_code}\\n' | sort | uniq -c`,
      ),
    ).toMatch(/^\s*100 200$/)
  })

  test('what the list has not is refused, whatever way it is written, and each decision is told', async () => {
    expect(await status('http://example.com/')).toBe('403 000')
    expect(await status('https://example.com/')).toBe('000 403')
    expect(await status(`http://localhost:${webPort + 1}/`)).toBe('403 000')
    for (const host of ['[::1]', '[::ffff:10.0.0.1]', '169.254.169.254', '10.0.0.1'])
      expect(await status(`-g 'http://${host}:${webPort}/'`)).toBe('403 000')
    const [latest] = (await state()).decisions
    expect(latest).toMatchObject({ protocol: 'http', host: '10.0.0.1', port: webPort, allowed: false, address: null })
    expect(latest?.reason).toMatch(/no cidr/)
  })

  test('what is no request to a proxy ends with 400, or at once', async () => {
    const port = new URL((await state()).proxy ?? '').port
    const raw = (text: string) =>
      live.api.output(
        id,
        `python3 - <<'END'
import socket
s = socket.create_connection(('127.0.0.1', ${port}), 5)
try: s.sendall(b'${text}'); print(s.recv(12).decode())
except ConnectionResetError: print('')
END`,
      )
    expect(await raw('GET / HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n')).toBe('HTTP/1.1 400')
    expect(await raw('CONNECT nonsense HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n')).toBe('HTTP/1.1 400')
    expect(await raw('\\x00\\x01\\x02\\r\\n\\r\\n')).toBe('')
    expect(
      await raw(`GET http://localhost:${webPort}/ HTTP/1.1\\r\\nhost: x\\r\\nx: ${'a'.repeat(40_000)}\\r\\n\\r\\n`),
    ).not.toMatch(/200/)
  })

  test('the list changes while it runs: what is open and not allowed any more is cut', async () => {
    const port = new URL((await state()).proxy ?? '').port
    const held = live.api.command(id, {
      command: `python3 - <<'END'
import socket
s = socket.create_connection(('127.0.0.1', ${port}), 20)
s.sendall(b'CONNECT localhost:${echoPort} HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n')
try:
    while s.recv(100): pass
except ConnectionResetError: pass
print('ended')
END`,
    })
    await expect
      .poll(async () => (await state()).decisions[0])
      .toMatchObject({ protocol: 'connect', port: echoPort, allowed: true })
    // A name alone does not lead to a private address.
    await allow({ host: 'localhost', ports: [webPort] })
    expect((await held).stdout).toMatch(/ended/)
    expect(await status(`http://localhost:${webPort}/`)).toBe('403 000')
    expect((await state()).decisions[0]?.reason).toMatch(/private address/)
    await allow({ host: 'localhost', ports: [webPort] }, { cidr: '127.0.0.0/8', ports: [webPort] })
    expect(await status(`http://localhost:${webPort}/`)).toBe('200 000')
  })

  test('over TLS only where the certificate is right; credentials do not leave else', async () => {
    let bytes = ''
    const bad = createTcpServer((socket) => {
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.toString('latin1')
        socket.end('HTTP/1.1 200 OK\r\n\r\n')
      })
      socket.on('error', () => undefined)
    })
    bad.listen(0, '127.0.0.1')
    await once(bad, 'listening')
    const { port } = bad.address() as AddressInfo
    const headers = { authorization: 'Bearer s3cret' }
    await allow({ host: 'localhost', ports: [port], tls: true, headers }, { cidr: '127.0.0.0/8', ports: [port] })
    expect(await status(`http://localhost:${port}/`)).toBe('502 000')
    expect(bytes).not.toMatch(/s3cret|HTTP/)
    bad.close()
  })

  test('holds over a stop and a start, and an empty list allows nothing', async () => {
    await allow({ host: 'localhost', ports: [webPort] }, { cidr: '127.0.0.0/8', ports: [webPort] })
    await live.api.action(id, 'restart')
    expect(await status(`http://localhost:${webPort}/`)).toBe('200 000')
    await allow()
    expect(await status(`http://localhost:${webPort}/`)).toBe('403 000')
  })

  test.each([
    [{ host: 'a.example', cidr: '10.0.0.0/8' }, /either host or cidr/],
    [{}, /either host or cidr/],
    [{ cidr: '10.0.0.0' }, /CIDR notation/],
    [{ cidr: '10.0.0.0/33' }, /CIDR notation/],
    [{ host: '10.0.0.1' }, /addresses go into cidr/],
    [{ host: 'a.*.example' }, /no host name/],
    [{ host: 'a.example', headers: { Host: 'b' } }, /belongs to the connection/],
    [{ cidr: '10.0.0.0/8', tls: true }, /need a host/],
    [{ host: 'a.example', headers: { a: 'b\r\nc: d' } }, /characters that are not allowed/],
    [{ host: 'a.example', ports: [0] }, /at least 1/],
  ])('the rule %j is refused with what is wrong', async (rule, words) => {
    const { status: code, ...problem } = await live.api.refused('PUT', path, { allow: [rule] })
    expect(code).toBe(422)
    expect(JSON.stringify(problem)).toMatch(words)
  })

  test('a sandbox with a network has no list', async () => {
    const problem = await live.api.refused('POST', '/sandboxes', { network: 'internet', egress: { allow: [] } })
    expect(problem).toMatchObject({ status: 400, code: 'INVALID_REQUEST' })
  })
}

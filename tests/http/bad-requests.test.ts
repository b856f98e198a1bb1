import { describe, expect, test } from 'vitest'
import type { Problem } from '../../schemas/problem.ts'
import { useSandbox, useServer } from '../support/live.ts'
import { rawBytes, rawRequest } from '../support/raw-request.ts'

const live = useServer({ engine: 'local' })
const box = useSandbox(live)
const JSON_TYPE = { 'content-type': 'application/json' }
const problemOf = (text: string) => JSON.parse(text) as Problem
/** A path as it is, not as a URL class would clean it. */
const at = (path: string, options: { method?: string; headers?: Record<string, string>; body?: string } = {}) =>
  rawRequest(live.server.url, { path, ...options })

describe('ids', () => {
  const BAD = [
    '..',
    '..%2f',
    '..%2f..%2fetc%2fpasswd',
    '%2e%2e',
    '%2e%2e%2f',
    'a%00b',
    'abcdefghij012345678%00',
    'a%0d%0aset-cookie:%20x=1',
    'abcdefghij0123456789%0a',
    'ABCDEFGHIJ0123456789',
    'abcdefghij012345678',
    'abcdefghij01234567890',
    'abcdefghij0123456789',
    '%E2%80%AEabcdefghij',
    '__proto__',
    'constructor',
    '*',
    "'%20OR%201=1--",
    'x'.repeat(4000),
  ]

  test.each(BAD)('%s is no sandbox on any route', async (id) => {
    const calls = [
      at(`/sandboxes/${id}`),
      at(`/sandboxes/${id}`, { method: 'DELETE' }),
      at(`/sandboxes/${id}/processes`),
      at(`/sandboxes/${id}/command`, { method: 'POST', headers: JSON_TYPE, body: '{"command":"true"}' }),
      at(`/sandboxes/${id}/code`, { method: 'POST', headers: JSON_TYPE, body: '{"code":"1"}' }),
      at(`/sandboxes/${id}/filesystem`, { method: 'POST', headers: JSON_TYPE, body: '{"action":"list"}' }),
      at(`/sandboxes/${id}/actions`, { method: 'POST', headers: JSON_TYPE, body: '{"action":"stop"}' }),
    ]
    for (const { status, headers, text } of await Promise.all(calls)) {
      expect(status).toBe(404)
      expect(headers['content-type']).toBe('application/problem+json; charset=utf-8')
      expect(headers['set-cookie']).toBeUndefined()
      expect(problemOf(text)).toMatchObject({ code: expect.stringMatching(/NOT_FOUND/) })
    }
  })

  test.each(['%', '%zz', '%c3%28', '%ff'])('the broken escape %s is a 4xx', async (id) => {
    const { status } = await at(`/sandboxes/${id}`)
    expect([400, 404]).toContain(status)
  })

  test.each(['..%2f', 'a%00', 'x'.repeat(65), 'p1%0d%0a', 'unknown', '__proto__'])(
    'process %s is not found',
    async (id) => {
      expect(problemOf((await at(`/sandboxes/${box.id}/processes/${id}`)).text)).toMatchObject({
        status: 404,
        code: 'PROCESS_NOT_FOUND',
      })
    },
  )
})

describe('bodies', () => {
  const post = (route: string, body: string) =>
    at(route.replace(':id', box.id), { method: 'POST', headers: JSON_TYPE, body })

  test.each([
    ['/sandboxes/:id/command', '{}', 'command', 'field required'],
    ['/sandboxes/:id/command', '', 'command', 'field required'],
    ['/sandboxes/:id/command', 'null', 'command', 'field required'],
    ['/sandboxes/:id/command', '{"command":null}', 'command', 'field required'],
    ['/sandboxes/:id/code', '{}', 'code', 'field required'],
    ['/sandboxes/:id/filesystem', '{}', 'action', 'field required'],
    ['/sandboxes/:id/actions', '{}', 'action', 'field required'],
    ['/sandboxes/:id/command', '{"command":5}', 'command', 'str'],
    ['/sandboxes/:id/command', '{"command":["ls"]}', 'command', 'str'],
    ['/sandboxes/:id/command', '{"command":"a\\u0000b"}', 'command', ''],
    ['/sandboxes/:id/command', '{"command":"ls","timeout":"soon"}', 'timeout', 'float'],
    ['/sandboxes/:id/command', '{"command":"ls","timeout":-1}', 'timeout', 'at least'],
    ['/sandboxes/:id/command', '{"command":"ls","timeout":1e9}', 'timeout', 'at most'],
    ['/sandboxes/:id/command', '{"command":"ls","timeout":true}', 'timeout', 'float'],
    ['/sandboxes/:id/command', '{"command":"ls","cwd":"relative"}', 'cwd', ''],
    ['/sandboxes/:id/command', '{"command":"ls","cwd":"/a\\u0000"}', 'cwd', ''],
    ['/sandboxes/:id/command', '{"command":"ls","user":"root\\n"}', 'user', ''],
    ['/sandboxes/:id/command', '{"command":"ls","user":"a:b:c"}', 'user', ''],
    ['/sandboxes/:id/command', '{"command":"ls","encoding":"latin1"}', 'encoding', 'utf-8, base64'],
    ['/sandboxes/:id/command', '{"command":"ls","output_limit_bytes":1}', 'output_limit_bytes', 'at least'],
    [
      '/sandboxes/:id/command',
      '{"command":"ls","output_limit_bytes":1073741824}',
      'output_limit_bytes',
      'K2_MAX_OUTPUT_KB',
    ],
    ['/sandboxes/:id/command', '{"command":"ls","envs":[]}', 'envs', 'dict'],
    ['/sandboxes/:id/command', '{"command":"ls","envs":{"A":5}}', 'envs', 'str'],
    ['/sandboxes/:id/command', '{"command":"ls","envs":{"A":null}}', 'envs', 'str'],
    ['/sandboxes/:id/command', '{"command":"ls","envs":{"":"x"}}', 'envs', ''],
    ['/sandboxes/:id/command', '{"command":"ls","envs":{"A=B":"x"}}', 'envs', ''],
    ['/sandboxes/:id/command', '{"command":"ls","envs":{"=":"x"}}', 'envs', ''],
    ['/sandboxes/:id/command', '{"command":"ls","envs":{"A\\u0000":"x"}}', 'envs', ''],
    ['/sandboxes/:id/command', '{"command":"ls","envs":{"A":"x\\u0000y"}}', 'envs', ''],
    ['/sandboxes/:id/code', '{"code":"1","language":"py\\nthon"}', 'language', ''],
    ['/sandboxes/:id/code', '{"code":"1","timeout":{}}', 'timeout', 'float'],
    ['/sandboxes', '{"timeout":"soon"}', 'timeout', 'integer'],
    ['/sandboxes', '{"metadata":{"a":1}}', 'metadata', 'str'],
    ['/sandboxes', '{"metadata":{"a=b":"1"}}', 'metadata', ''],
    ['/sandboxes', '{"metadata":"x"}', 'metadata', 'dict'],
    ['/sandboxes', '{"template":"a b"}', 'template', ''],
    ['/sandboxes', '{"template":5}', 'template', 'str'],
  ])('%s with %s is refused at %s', async (route, body, member, words) => {
    const { status, text } = await post(route, body)
    const problem = problemOf(text)
    expect({ status, code: problem.code }).toEqual({ status: 422, code: 'VALIDATION_FAILED' })
    const where = problem.errors?.map(({ loc }) => loc.join('.')) ?? []
    expect(
      where.some((place) => place === `body.${member}` || place.startsWith(`body.${member}.`)),
      JSON.stringify(problem.errors),
    ).toBe(true)
    expect(problem.detail + JSON.stringify(problem.errors)).toContain(words)
  })

  test.each(['{', '[1,', '{"a":}', "{'command':'x'}", 'command=ls', '\u00ff', '{"command":"\\ud800"}', 'NaN'])(
    '%j is not JSON and is said so',
    async (body) => {
      const { status, text } = await post('/sandboxes/:id/command', body)
      expect({ status, errors: problemOf(text).errors }).toMatchObject({
        status: 422,
        errors: [{ loc: ['body'], type: 'value_error.jsondecode' }],
      })
    },
  )

  test.each(['5', '"text"', '[]', 'true'])('%s is no object', async (body) => {
    expect((await post('/sandboxes/:id/command', body)).status).toBe(422)
  })

  test('what the contract coerces is coerced: numbers as text, extras ignored', async () => {
    const { status, text } = await post(
      '/sandboxes/:id/command',
      '{"command":"echo ok","timeout":"5","surprise":{"deep":[1]}}',
    )
    expect({ status, stdout: JSON.parse(text).stdout }).toEqual({ status: 200, stdout: 'ok\n' })
  })

  test('an environment name with a newline is a name as any other', async () => {
    const { status } = await post('/sandboxes/:id/command', '{"command":"true","envs":{"A\\nB":"x"}}')
    expect([200, 422]).toContain(status)
  })

  test('prototype members change nothing', async () => {
    for (const body of [
      '{"__proto__":{"command":"echo hacked"}}',
      '{"constructor":{"prototype":{"command":"echo hacked"}}}',
      '{"command":"echo fine","__proto__":{"user":"root"}}',
    ]) {
      const { status, text } = await post('/sandboxes/:id/command', body)
      if (status === 200) expect(JSON.parse(text).stdout).toBe('fine\n')
      else expect(status).toBe(422)
    }
    const metadata = await post('/sandboxes', '{"metadata":{"__proto__":"x","constructor":"y"}}')
    expect([200, 422]).toContain(metadata.status)
    if (metadata.status === 200) await live.api.delete(JSON.parse(metadata.text).sandbox_id)
    expect(({} as { command?: string }).command).toBeUndefined()
  })

  test('JSON that is very deep, or has very many members, is answered quickly', async () => {
    const started = performance.now()
    const deep = await post(
      '/sandboxes/:id/command',
      `{"command":"echo ok","x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    )
    expect([200, 422]).toContain(deep.status)
    const wide = JSON.stringify({
      command: 'true',
      envs: Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`N${index}`, 5])),
    })
    const { status, text } = await post('/sandboxes/:id/command', wide)
    expect(status).toBe(422)
    expect(text.length).toBeLessThan(20_000)
    expect(performance.now() - started).toBeLessThan(3000)
  })

  test('a body over the limit is 413, said before it is read', async () => {
    const body = `{"command":"${'x'.repeat(17 * 1024 * 1024)}"}`
    const { status, text } = await post('/sandboxes/:id/command', body)
    expect({ status, code: problemOf(text).code }).toEqual({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
    const announced = await rawBytes(
      live.server.url,
      `POST /sandboxes HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n{`,
    )
    expect(announced).toMatch(/^HTTP\/1\.1 413 /)
  })

  test('more environment, metadata or longer values than allowed are refused', async () => {
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`N${index}`, 'x']))
    for (const body of [
      { command: 'true', envs: many(257) },
      { command: 'true', envs: { A: 'x'.repeat(130_001) } },
      { command: 'true', envs: { ['A'.repeat(257)]: 'x' } },
    ]) {
      expect((await live.api.refused('POST', `/sandboxes/${box.id}/command`, body)).status).toBe(422)
    }
    for (const metadata of [many(65), { a: 'x'.repeat(1025) }, { ['a'.repeat(129)]: 'x' }, { a: 'é'.repeat(513) }]) {
      expect((await live.api.refused('POST', '/sandboxes', { metadata })).status).toBe(422)
    }
  })
})

describe('requests', () => {
  test.each([
    '/',
    '/healthz',
    '/readyz',
    '/sandboxes/aaaaaaaaaaaaaaaaaaaa',
    '/sandboxes/aaaaaaaaaaaaaaaaaaaa/processes',
  ])('an unknown query parameter of %s is an error', async (path) => {
    expect(await live.api.refused('GET', `${path}?verbose=1`)).toMatchObject({
      status: 422,
      errors: [{ loc: ['query', 'verbose'] }],
    })
  })

  test.each([
    ['PUT', '/sandboxes', 'GET, HEAD, POST'],
    ['PUT', '/sandboxes/aaaaaaaaaaaaaaaaaaaa', 'DELETE, GET, HEAD, PATCH'],
    ['GET', '/sandboxes/aaaaaaaaaaaaaaaaaaaa/command', 'POST'],
    ['DELETE', '/', 'GET, HEAD'],
  ])('%s %s is 405 and says what is allowed', async (method, path, allow) => {
    const answer = await live.api.send(method, path)
    expect({ status: answer.status, allow: answer.headers.get('allow') }).toEqual({ status: 405, allow })
    expect(problemOf(answer.text)).toMatchObject({ code: 'METHOD_NOT_ALLOWED', detail: 'Method Not Allowed' })
  })

  test.each(['/nothing', '/sandboxes/', '/sandboxes/aaaaaaaaaaaaaaaaaaaa/nothing', '/../etc/passwd', '//sandboxes'])(
    '%s is 404',
    async (path) => {
      expect((await at(path)).status).toBe(404)
    },
  )

  test.each([
    [{ 'content-type': 'text/plain' }],
    [{ 'content-type': 'application/x-www-form-urlencoded' }],
    [{ 'content-type': 'multipart/form-data; boundary=x' }],
    [{ 'content-type': 'application/jsonp' }],
    [{}],
  ])('a body of %j is 415', async (headers) => {
    const { status, text } = await at('/sandboxes', {
      method: 'POST',
      headers: headers as Record<string, string>,
      body: '{}',
    })
    expect({ status, code: problemOf(text).code }).toEqual({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' })
  })

  test.each([
    'evil.example',
    'evil.example:8000',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '169.254.169.254',
    '0.0.0.0',
  ])('the host %j is 421', async (host) => {
    const { status, text } = await at('/sandboxes', { headers: { host } })
    expect({ status, code: problemOf(text).code }).toEqual({ status: 421, code: 'HOST_NOT_ALLOWED' })
  })

  test.each([
    [{ origin: 'https://evil.example' }],
    [{ origin: 'null' }],
    [{ origin: 'http://localhost:1' }],
    [{ 'sec-fetch-site': 'cross-site' }],
  ])('a web page elsewhere, %j, is 403 and gets no permission', async (headers) => {
    for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
      const answer = await at('/sandboxes', {
        method,
        headers: { ...JSON_TYPE, ...(headers as Record<string, string>) },
        ...(method === 'POST' ? { body: '{}' } : {}),
      })
      expect([403, 405]).toContain(answer.status)
      expect(answer.headers['access-control-allow-origin']).toBeUndefined()
    }
    expect((await live.api.list()).sandboxes).toHaveLength(1)
  })

  test('no host at all is refused', async () => {
    const end = 'connection: close\r\n\r\n'
    expect(await rawBytes(live.server.url, `GET /sandboxes HTTP/1.1\r\nhost:\r\n${end}`)).toMatch(/^HTTP\/1\.1 421 /)
    expect(await rawBytes(live.server.url, `GET /sandboxes HTTP/1.1\r\n${end}`)).toMatch(/^HTTP\/1\.1 4\d\d /)
    expect(await rawBytes(live.server.url, 'GET /sandboxes HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 4\d\d /)
  })

  test('what is no HTTP is answered and closed', async () => {
    expect(await rawBytes(live.server.url, 'hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json/s)
    expect(
      await rawBytes(
        live.server.url,
        'GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\nconnection: close\r\n\r\n',
      ),
    ).toMatch(/^HTTP\/1\.1 4\d\d /)
    expect(
      await rawBytes(live.server.url, `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`),
    ).toMatch(/^HTTP\/1\.1 431 /)
    expect(
      await rawBytes(
        live.server.url,
        'POST /sandboxes HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      ),
    ).toMatch(/^HTTP\/1\.1 400 /)
  })

  test('the answer carries a request id of ours, whatever the request says', async () => {
    const { headers } = await at('/', { headers: { 'x-request-id': 'a"b\tc<script>' } })
    expect(headers['x-request-id']).toMatch(/^[A-Za-z0-9-]{8,64}$/)
  })

  test('the server still works after all that', async () => {
    expect(await live.api.output(box.id, 'echo alive')).toBe('alive')
    expect(await live.api.json('GET', '/')).toEqual({ message: 'K2 Sandbox Management API' })
    expect(await live.api.json('GET', '/healthz')).toMatchObject({ status: 'ok' })
  })
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import { ERROR_STATUS, type ErrorCode, SandboxError } from '../../../src/errors.ts'
import type { TypedApp } from '../../../src/http/app-type.ts'
import { createLogger } from '../../../src/http/logger.ts'
import { buildTestApp, ID, standIns } from './stand-ins.ts'

let failing: TypedApp
let thrown: unknown
beforeAll(async () => {
  failing = await buildTestApp({ commands: { run: () => Promise.reject(thrown) } })
})
afterAll(() => failing.close())

/** The answer to a command that fails with `error`. */
function commandProblem(error: unknown) {
  thrown = error
  return failing.inject({ method: 'POST', url: `/sandboxes/${ID}/command`, payload: { command: 'x' } })
}

test.each(Object.keys(ERROR_STATUS) as ErrorCode[])('%s goes out as problem+json with its status', async (code) => {
  const answer = await commandProblem(new SandboxError(code, 'What happened; what to do'))
  expect(answer.statusCode).toBe(ERROR_STATUS[code])
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8')
  expect(answer.json()).toMatchObject({
    type: 'about:blank',
    status: ERROR_STATUS[code],
    code,
    request_id: answer.headers['x-request-id'],
  })
  expect(answer.json().title).toEqual(expect.any(String))
})

test('an unexpected failure says nothing of its cause', async () => {
  const error = Object.assign(new Error('connect ENOENT /var/run/docker.sock'), { statusCode: 404, code: 'ENOENT' })
  const answer = await commandProblem(error)
  expect(answer.statusCode).toBe(500)
  expect(answer.body).not.toMatch(/docker|ENOENT|stack/)
  expect(answer.json().code).toBe('INTERNAL')
})

test('the message of an INTERNAL error is hidden, that of other 5xx is not', async () => {
  expect((await commandProblem(new SandboxError('INTERNAL', 'row 7 of table x'))).body).not.toContain('row 7')
  expect((await commandProblem(new SandboxError('SERVER_BUSY', 'Try again'))).json().detail).toBe('Try again')
})

test('what is thrown and no Error is an internal error too', async () => {
  expect((await commandProblem('text')).statusCode).toBe(500)
  expect((await commandProblem(undefined)).statusCode).toBe(500)
})

test('Retry-After is whole seconds, and the last output of a failed start is told', async () => {
  const busy = await commandProblem(
    new SandboxError('ENGINE_UNAVAILABLE', 'Away', { details: { retryAfterSeconds: 1.2 } }),
  )
  expect(busy.headers['retry-after']).toBe('2')
  const failed = await commandProblem(
    new SandboxError('SANDBOX_START_FAILED', 'Ended', { details: { output: 'no such file\n' } }),
  )
  expect(failed.json().output).toBe('no such file\n')
})

test('an unknown path is 404 Not Found, a known one with another method 405 with Allow', async () => {
  const app = await buildTestApp()
  for (const url of ['/nope', '/sandbox', `/sandboxes/${ID}/nope`, '//', '/sandboxes/']) {
    const answer = await app.inject(url)
    expect([url, answer.statusCode]).toEqual([url, 404])
  }
  expect((await app.inject('/nope')).json()).toMatchObject({ detail: 'Not Found', code: 'ROUTE_NOT_FOUND' })
  const put = await app.inject({ method: 'PUT', url: '/sandboxes' })
  expect([put.statusCode, put.json().detail, put.headers.allow]).toEqual([405, 'Method Not Allowed', 'GET, HEAD, POST'])
  const get = await app.inject(`/sandboxes/${ID}/command`)
  expect([get.statusCode, get.headers.allow]).toEqual([405, 'POST'])
  await app.close()
})

test('the unknown path is told before the body is looked at', async () => {
  const app = await buildTestApp()
  const answer = await app.inject({
    method: 'POST',
    url: '/nope',
    headers: { 'content-type': 'text/plain' },
    payload: '{bad',
  })
  expect(answer.statusCode).toBe(404)
  await app.close()
})

test('a percent sign that begins no escape is a 400', async () => {
  const app = await buildTestApp()
  const answer = await app.inject('/sandboxes/%zz')
  expect([answer.statusCode, answer.json().code]).toEqual([400, 'INVALID_REQUEST'])
  expect(answer.headers['x-request-id']).toBe(answer.json().request_id)
  await app.close()
})

test('a request id is repeated when it is harmless, else a new one is made', async () => {
  const app = await buildTestApp()
  const given = async (id: string) =>
    (await app.inject({ url: '/', headers: { 'x-request-id': id } })).headers['x-request-id']
  expect(await given('trace-1.A_b')).toBe('trace-1.A_b')
  for (const bad of ['a b', 'x'.repeat(65), '<script>', '']) expect(await given(bad)).toMatch(/^[0-9a-f-]{36}$/)
  await app.close()
})

test('a failure is logged once, with the request id and without the body', async () => {
  const lines: string[] = []
  const logger = createLogger({ level: 'info', destination: { write: (line: string) => void lines.push(line) } })
  const app = await buildTestApp({
    ...standIns(),
    logger,
    commands: { run: () => Promise.reject(new Error('secret\ncause')) },
  })
  await app.inject({
    method: 'POST',
    url: `/sandboxes/${ID}/command?`,
    headers: { 'x-request-id': 'log-1', authorization: 'Bearer key' },
    payload: { command: 'echo private' },
  })
  await app.close()
  const entries = lines.map((line) => JSON.parse(line))
  const failures = entries.filter((entry) => entry.level >= 50)
  expect(failures).toHaveLength(1)
  expect(failures[0]).toMatchObject({ request_id: 'log-1', code: 'INTERNAL' })
  expect(JSON.stringify(failures[0])).toContain('secret')
  expect(lines.join('')).not.toMatch(/private|Bearer/)
  expect(entries.filter((entry) => entry.msg === 'answered')).toMatchObject([
    { method: 'POST', status: 500, path: `/sandboxes/${ID}/command` },
  ])
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TypedApp } from '../../../src/http/app-type.ts'
import { buildTestApp, ID } from './stand-ins.ts'

let app: TypedApp
beforeAll(async () => {
  app = await buildTestApp({ config: { allowedHosts: ['K2.internal'], allowedOrigins: ['https://console.example'] } })
})
afterAll(() => app.close())

const get = (headers: Record<string, string>) => app.inject({ url: '/sandboxes', headers })

test.each([
  '127.0.0.1',
  '127.0.0.1:8000',
  'localhost',
  'LOCALHOST:1',
  '[::1]',
  '[::1]:8000',
  'k2.internal',
  'k2.internal:443',
])('a request to %s is served', async (host) => {
  expect((await get({ host })).statusCode).toBe(200)
})

test.each([
  'evil.example',
  'evil.example:8000',
  '127.0.0.1.evil.example',
  'localhost.evil.example',
  'localhost:8000@evil.example',
  '127.0.0.2',
  '0',
  'localhost ,x',
  '[::2]',
])('a request to %j is 421', async (host) => {
  const answer = await get({ host })
  expect([answer.statusCode, answer.json().code]).toEqual([421, 'HOST_NOT_ALLOWED'])
})

test.each([
  ['http://localhost:8000', 200],
  ['https://console.example', 200],
  ['http://localhost:3000', 403],
  ['https://evil.example', 403],
  ['https://console.example.evil.example', 403],
  ['null', 403],
  ['', 403],
])('a page of %j gets %i', async (origin, status) => {
  const answer = await get({ host: 'localhost:8000', origin })
  expect(answer.statusCode).toBe(status)
})

test('a cross-site request is refused, an ordinary one and a followed link are not', async () => {
  expect((await get({ 'sec-fetch-site': 'cross-site' })).statusCode).toBe(403)
  expect((await get({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })).statusCode).toBe(403)
  expect((await get({ 'sec-fetch-site': 'same-origin' })).statusCode).toBe(200)
  expect((await get({ 'sec-fetch-site': 'none' })).statusCode).toBe(200)
  const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
  expect((await app.inject({ url: '/docs', headers: link })).statusCode).toBe(200)
  expect((await app.inject({ method: 'POST', url: '/sandboxes', headers: link })).statusCode).toBe(403)
  expect((await get({ ...link, 'sec-fetch-dest': 'iframe' })).statusCode).toBe(403)
})

test('the guard stands before unknown paths too', async () => {
  expect((await app.inject({ url: '/nope', headers: { host: 'evil.example' } })).statusCode).toBe(421)
})

test.each([
  ['application/json', 200],
  ['application/json; charset=utf-8', 200],
  ['Application/JSON', 200],
  ['text/plain', 415],
  ['text/plain;charset=UTF-8', 415],
  ['application/x-www-form-urlencoded', 415],
  ['multipart/form-data; boundary=x', 415],
  ['application/jsonx', 415],
  ['nonsense', 415],
])('a body of type %s gets %i', async (contentType, status) => {
  const answer = await app.inject({
    method: 'POST',
    url: `/sandboxes/${ID}/command`,
    headers: { 'content-type': contentType },
    payload: '{"command":"x"}',
  })
  expect(answer.statusCode).toBe(status)
})

test('a body without a content type is 415', async () => {
  const answer = await app.inject({ method: 'POST', url: `/sandboxes/${ID}/command`, payload: '{"command":"x"}' })
  expect(answer.statusCode).toBe(415)
})

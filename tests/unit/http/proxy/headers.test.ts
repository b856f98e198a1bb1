import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { requestHeaders, responseHeaders } from '../../../../src/http/proxy/headers.ts'

const PATH = { port: 3000, prefix: '/sandboxes/x/ports/3000', isSite: false, clientAddress: '10.0.0.9' }
const SITE = { ...PATH, prefix: '', isSite: true }

function ask(headers: IncomingMessage['headers']) {
  const request = new IncomingMessage(new Socket())
  Object.assign(request.headers, headers)
  return request
}

test('headers of the connection do not pass, also those that it names itself', () => {
  const headers = {
    connection: 'keep-alive, X-Secret',
    'keep-alive': 'timeout=5',
    'x-secret': '1',
    te: 'trailers',
    'x-kept': '2',
  }
  const passed = requestHeaders(ask({ host: 'h', ...headers }), PATH)
  expect(passed).toMatchObject({ 'x-kept': '2', host: 'localhost:3000' })
  for (const name of ['connection', 'keep-alive', 'x-secret', 'te']) expect(passed[name], name).toBeUndefined()
  expect(responseHeaders(headers, SITE)).toEqual({ 'x-kept': '2' })
})

test('a chain of proxies is told on', () => {
  const passed = requestHeaders(
    ask({ host: 'h', 'x-forwarded-for': '1.2.3.4', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'out.example' }),
    SITE,
  )
  expect(passed).toMatchObject({
    'x-forwarded-for': '1.2.3.4, 10.0.0.9',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'out.example',
  })
  expect(passed['x-forwarded-prefix']).toBeUndefined()
})

test("under the API's origin an answer sets nothing for the origin, and can not loosen what its page may do", () => {
  const passed = responseHeaders(
    {
      'set-cookie': ['a=b'],
      'clear-site-data': '"*"',
      'strict-transport-security': 'max-age=1',
      'content-security-policy': 'default-src *',
      'service-worker-allowed': '/',
      location: '/next',
      etag: '"x"',
    },
    PATH,
  )
  expect(passed).toEqual({
    etag: '"x"',
    location: '/sandboxes/x/ports/3000/next',
    'content-security-policy': 'sandbox allow-scripts allow-forms allow-downloads',
    'x-content-type-options': 'nosniff',
  })
  expect(responseHeaders({ location: '//other.example/' }, PATH).location).toBe('//other.example/')
})

test('cookies of a site are for that site', () => {
  const headers = { 'set-cookie': ['a=b; Path=/; DOMAIN=.example.com; Secure', 'c=d'] }
  expect(responseHeaders(headers, SITE)['set-cookie']).toEqual(['a=b; Path=/; Secure', 'c=d'])
})

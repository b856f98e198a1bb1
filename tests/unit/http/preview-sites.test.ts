import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { isPreview, PreviewSites } from '../../../src/http/preview-sites.ts'

const ID = 'abcdefghij0123456789'

function ask(host: string, url: string) {
  const request = new IncomingMessage(new Socket())
  request.headers.host = host
  request.url = url
  return request
}

test.each([
  [`3000-${ID}.localhost:8000`, '/a?b=c', `/sandboxes/${ID}/ports/3000/a?b=c`],
  [`3000-${ID}.LOCALHOST`, '/', `/sandboxes/${ID}/ports/3000/`],
  [`3000-${ID}.localhost`, '/sandboxes', `/sandboxes/${ID}/ports/3000/sandboxes`],
  [`3000-${ID}.localhost`, '/../../..', `/sandboxes/${ID}/ports/3000/../../..`],
  [`3000-${ID}.localhost`, 'http://127.0.0.1/sandboxes', `/sandboxes/${ID}/ports/3000/`],
  [`3000-${ID}.localhost`, '*', `/sandboxes/${ID}/ports/3000/`],
])('%s %s is the route %s', (host, url, route) => {
  const request = ask(host, url)
  expect(new PreviewSites('localhost').routeOf(request)).toBe(route)
  expect(isPreview(request)).toBe(true)
})

test.each([
  'localhost:8000',
  `${ID}.localhost`,
  `3000-${ID}.localhost.evil.example`,
  `3000-${ID}.evil.localhost`,
  `3000-short.localhost`,
  `x.3000-${ID}.localhost`,
  '',
])('%s is no site', (host) => {
  const request = ask(host, '/')
  expect(new PreviewSites('localhost').routeOf(request)).toBeUndefined()
  expect(isPreview(request)).toBe(false)
})

test('a site is named as its caller reaches this server; without a domain there is none', () => {
  expect(new PreviewSites('Preview.example').urlOf(ID, 80, 'api.example:8443')).toBe(
    `http://80-${ID}.preview.example:8443/`,
  )
  expect(new PreviewSites('').urlOf(ID, 80, 'localhost')).toBeNull()
  expect(new PreviewSites('').routeOf(ask(`80-${ID}.localhost`, '/'))).toBeUndefined()
})

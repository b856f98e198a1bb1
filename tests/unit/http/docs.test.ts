import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TypedApp } from '../../../src/http/app-type.ts'
import { buildTestApp } from './stand-ins.ts'

let app: TypedApp
beforeAll(async () => {
  app = await buildTestApp()
})
afterAll(() => app.close())

test('/docs and all that it loads come from this server, under a policy without inline scripts', async () => {
  const page = await app.inject('/docs')
  expect(page.statusCode).toBe(200)
  const policy = String(page.headers['content-security-policy'])
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("script-src 'self';")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(page.headers['x-content-type-options']).toBe('nosniff')
  expect(page.body).not.toMatch(/<script>|https?:\/\//)
  const assets = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => String(match[1]))
  expect(assets.length).toBeGreaterThan(3)
  for (const asset of assets) {
    const answer = await app.inject(asset)
    expect([asset, answer.statusCode]).toEqual([asset, 200])
    expect(answer.headers['content-security-policy']).toBe(policy)
  }
})

test('the document is at /openapi.json, and /redoc leads to /docs', async () => {
  const document = await app.inject('/openapi.json')
  expect(document.headers['content-type']).toBe('application/json; charset=utf-8')
  expect(document.json()).toMatchObject({
    openapi: '3.1.0',
    info: { title: 'K2 Sandbox API', description: 'API for managing Docker-based sandboxes' },
  })
  const redoc = await app.inject('/redoc')
  expect([redoc.statusCode, redoc.headers.location]).toEqual([302, '/docs'])
})

test('no file outside the assets is served', async () => {
  for (const path of [
    '/docs/static/../package.json',
    '/docs/static/..%2fpackage.json',
    '/docs/static/%2e%2e/%2e%2e/package.json',
  ]) {
    const answer = await app.inject(path)
    expect(answer.statusCode).toBeGreaterThanOrEqual(400)
    expect(answer.body).not.toContain('dependencies')
  }
})

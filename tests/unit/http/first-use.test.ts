import { expect, test } from 'vitest'
import { buildTestApp, ID } from './stand-ins.ts'

test('the schemas of every route can be compiled, for requests and for answers', { timeout: 60_000 }, async () => {
  const app = await buildTestApp({ config: { compileAtStart: true } })
  expect((await app.inject({ url: `/sandboxes/${ID}` })).statusCode).toBe(200)
  await app.close()
})

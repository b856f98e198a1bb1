import { beforeAll, describe, expect, test } from 'vitest'
import type { SandboxResponse } from '../../schemas/sandbox.ts'
import { useServer } from '../support/live.ts'

describe('the list of sandboxes', () => {
  const live = useServer({ engine: 'local' })
  const made: SandboxResponse[] = []
  const names = async (query: string) => (await live.api.list(query)).sandboxes.map(({ name }) => name).sort()

  beforeAll(async () => {
    made.push(await live.api.create({ name: 'a', metadata: { team: 'x', tier: '1' } }))
    made.push(await live.api.create({ name: 'b', metadata: { team: 'x', odd: 'a=b&c d' } }))
    made.push(await live.api.create({ name: 'c', metadata: { 'grüße 漢': '🙂' } }))
    made.push(await live.api.create({ name: 'd', metadata: { none: '' } }))
    await live.api.action(made[3]?.sandbox_id ?? '', 'stop')
  })

  test.each([
    ['', ['a', 'b', 'c', 'd']],
    ['?status=running', ['a', 'b', 'c']],
    ['?status=stopped', ['d']],
    ['?status=failed', []],
    ['?name=b', ['b']],
    ['?name=nobody', []],
    ['?template=local', ['a', 'b', 'c', 'd']],
    ['?template=python', []],
    ['?metadata=team=x', ['a', 'b']],
    ['?metadata=team=', []],
    ['?metadata=none=', ['d']],
    ['?metadata=team%3Dx&metadata=tier%3D1', ['a']],
    ['?metadata=team%3Dx&status=stopped', []],
    [`?metadata=${encodeURIComponent('odd=a=b&c d')}`, ['b']],
    [`?metadata=${encodeURIComponent('grüße 漢=🙂')}`, ['c']],
    ['?metadata=toString%3Dx', []],
    ['?metadata=__proto__%3Dx', []],
  ])('%s gives %j', async (query, expected) => {
    expect(await names(query)).toEqual(expected)
  })

  test.each([
    '?status=',
    '?status=sleeping',
    '?status=RUNNING',
    '?name=',
    '?name=Not%20A%20Name',
    '?template=',
    '?metadata=',
    '?metadata=team',
    '?metadata=%3Dx',
    '?metadata=a%3D1&metadata=a%3D2',
    '?limit=0',
    '?limit=-1',
    '?limit=1001',
    '?limit=x',
    '?limit=1.5',
    '?limit=',
    '?cursor=',
    '?state=running',
    '?Status=running',
    '?status=running&status=stopped',
    '?team=x',
    '?__proto__=x',
  ])('%s is refused, it never gives everything', async (query) => {
    const problem = await live.api.refused('GET', `/sandboxes${query}`)
    expect(problem).toMatchObject({
      status: 422,
      code: 'VALIDATION_FAILED',
      errors: [{ loc: expect.arrayContaining(['query']), msg: expect.any(String), type: expect.any(String) }],
    })
  })

  test('a cursor that no list gave is refused', async () => {
    expect((await live.api.refused('GET', '/sandboxes?cursor=nonsense')).status).toBeGreaterThanOrEqual(400)
  })

  test('pages by cursor give each once, also with a filter and when some go meanwhile', async () => {
    const seen: (string | null)[] = []
    let query = '?limit=1'
    for (let page = 0; page < 4; page++) {
      const { sandboxes, next_cursor } = await live.api.list(query)
      expect(sandboxes).toHaveLength(1)
      seen.push(sandboxes[0]?.name ?? null)
      if (next_cursor === null) break
      query = `?limit=1&cursor=${encodeURIComponent(next_cursor)}`
    }
    expect([...seen].sort()).toEqual(['a', 'b', 'c', 'd'])
    const first = await live.api.list('?limit=2&status=running')
    expect(first.sandboxes).toHaveLength(2)
    const rest = await live.api.list(`?limit=2&status=running&cursor=${encodeURIComponent(first.next_cursor ?? '')}`)
    expect(rest.sandboxes).toHaveLength(1)
    expect(rest.next_cursor).toBeNull()
  })

  test('says of each what get says', async () => {
    for (const sandbox of (await live.api.list()).sandboxes) {
      expect(await live.api.get(sandbox.sandbox_id)).toEqual(sandbox)
    }
  })
})

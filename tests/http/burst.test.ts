import { expect, test } from 'vitest'
import { useServer } from '../support/live.ts'

const QUEUED = 40
const AT_ONCE = 4
const live = useServer({
  engine: 'local',
  settings: { K2_MAX_STARTS: String(AT_ONCE), K2_MAX_QUEUED_STARTS: String(QUEUED), K2_MAX_SANDBOXES: '200' },
})

test('of a hundred creates at once as many are served as may wait, in order; the others are told when to come back', async () => {
  const ended: number[] = []
  const answers = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const answer = await live.api.send('POST', '/sandboxes', { metadata: { index: String(index) } })
      if (answer.status === 200) ended.push(index)
      return answer
    }),
  )
  const refused = answers.filter(({ status }) => status !== 200)
  // More, where the first had started before the last came.
  const served = 100 - refused.length
  expect(served).toBeGreaterThanOrEqual(QUEUED + AT_ONCE)
  expect(refused.length).toBeGreaterThan(0)
  for (const { status, headers, text } of refused) {
    expect({ status, retry: headers.get('retry-after') }).toEqual({
      status: 503,
      retry: expect.stringMatching(/^\d+$/),
    })
    expect(JSON.parse(text)).toMatchObject({ code: 'SERVER_BUSY' })
  }
  const { sandboxes } = await live.api.list()
  expect(sandboxes).toHaveLength(served)
  // Who was taken in first runs first, but for those that start at the same time.
  const taken = sandboxes.map(({ metadata }) => Number(metadata.index))
  for (const [place, index] of ended.entries()) expect(Math.abs(taken.indexOf(index) - place)).toBeLessThan(4 * AT_ONCE)
  expect(await live.api.create()).toMatchObject({ status: 'running' })
  for (const { sandbox_id: id } of (await live.api.list()).sandboxes) await live.api.delete(id)
})

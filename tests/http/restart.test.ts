import { describe, expect, test } from 'vitest'
import { useServer } from '../support/live.ts'
import { waitFor } from '../support/wait-for.ts'

describe('a server of the local engine that is started again', () => {
  const live = useServer({ engine: 'local' })

  test.each([
    ['after SIGTERM', () => live.server.terminate()],
    ['after a crash', () => live.server.kill()],
  ])('%s has its sandboxes, and what runs in them runs on', async (_, end) => {
    const { sandbox_id: id } = await live.api.create()
    const { sandbox_id: stopped } = await live.api.create()
    await live.api.action(stopped, 'stop')
    await live.api.output(id, 'sleep 300 >/dev/null 2>&1 & echo $! > pid')
    await end()
    await live.server.startAgain()
    expect(await live.api.output(id, 'kill -0 $(cat pid) && echo the same')).toBe('the same')
    expect(await live.api.get(stopped)).toMatchObject({ status: 'stopped' })
    expect(await live.api.action(stopped, 'start')).toMatchObject({ status: 'running' })
    const pid = await live.api.output(id, 'cat pid')
    await live.api.delete(id)
    await live.api.delete(stopped)
    await waitFor('the process to be gone', () => {
      try {
        return !process.kill(Number(pid), 0)
      } catch {
        return true
      }
    })
  })
})

import { expect, test } from 'vitest'
import { useServer } from '../support/live.ts'
import { textOf } from '../support/text-of.ts'
import { waitFor } from '../support/wait-for.ts'

const live = useServer()

test('a process outlives the server: it goes on, keeps its sandbox alive, and its reader misses nothing', async () => {
  const { sandbox_id: id } = await live.api.create({ timeout: 600 })
  const command = 'echo before; until [ -e go ]; do sleep 0.02; done; echo after; until [ -e end ]; do sleep 0.02; done'
  const { process_id } = await live.api.startProcess(id, { command, keep_alive: true })
  expect(await live.api.get(id)).toMatchObject({ expires_at: null })
  const reader = live.api.followProcess(id, process_id)
  await reader.next()
  expect((await reader.next()).value).toMatchObject({ text: 'before\n', offset: 7 })

  await live.server.kill()
  await expect(reader.next()).rejects.toThrow()
  await live.server.startAgain()
  await waitFor('the process to keep it alive again', async () => (await live.api.get(id)).expires_at === null)
  await live.api.output(id, 'touch go')
  const again = live.api.followProcess(id, process_id, '?offset=7')
  await again.next()
  expect((await again.next()).value).toMatchObject({ text: 'after\n' })
  await live.api.output(id, 'touch end')
  expect(textOf(await Array.fromAsync(again), 'stdout')).toBe('')
  await waitFor('its sandbox to age', async () => (await live.api.get(id)).expires_at !== null)
  await live.api.delete(id)
})

test('a process does not outlive its sandbox, and its readers are told', async () => {
  const { sandbox_id: id } = await live.api.create()
  const { process_id } = await live.api.startProcess(id, { command: 'echo on; sleep 60', keep_alive: true })
  const reader = live.api.followProcess(id, process_id)
  await reader.next()
  await reader.next()
  await live.api.action(id, 'stop')
  const rest = await Array.fromAsync(reader)
  expect(rest.at(-1)).toMatchObject({ type: expect.stringMatching(/^(end|problem)$/) })
  expect(await live.api.get(id)).toMatchObject({ status: 'stopped' })
  await live.api.action(id, 'start')
  expect(await live.api.refused('GET', `/sandboxes/${id}/processes/${process_id}`)).toMatchObject({ status: 404 })
  await live.api.delete(id)
})

import { describe, expect, test } from 'vitest'
import type { BatchRequest, BatchResponse } from '../../schemas/batch.ts'
import type { EventPage } from '../../schemas/event.ts'
import type { RunRequest, RunResponse } from '../../schemas/run.ts'
import { useSandbox, useServer } from '../support/live.ts'
import { waitFor } from '../support/wait-for.ts'

const live = useServer({ engine: 'local', settings: { K2_POOL_SIZE: '1' } })
const run = (body: RunRequest) => live.api.json<RunResponse>('POST', '/run', body)
const nothingIsLeft = () => waitFor('no sandbox to be left', async () => (await live.api.list()).sandboxes.length === 0)

test('files in, a command, files out, in a sandbox that is gone afterwards', async () => {
  const answer = await run({
    files: [
      { path: 'in/a.txt', content: 'one\n' },
      { path: 'in/b.bin', content: '/wD/', encoding: 'base64' },
      {
        path: 'go.sh',
        content: '#!/bin/sh\nmkdir out; cat in/a.txt in/b.bin > out/all; cp in/a.txt out/a.txt',
        mode: '755',
      },
    ],
    command: './go.sh; echo $WHO; exit 3',
    envs: { WHO: 'me' },
    outputs: ['out/*', 'in/a.txt', 'nowhere.txt', 'no/*.such'],
  })
  expect(answer.command).toMatchObject({ stdout: 'me\n', exit_code: 3 })
  expect(answer.code).toBeNull()
  expect(answer.files.map(({ path, ...file }) => ({ name: path.split('/').slice(-2).join('/'), ...file }))).toEqual([
    { name: 'out/a.txt', content: 'one\n', encoding: 'utf-8', size: 4 },
    {
      name: 'out/all',
      content: Buffer.from('one\n\xff\x00\xff', 'latin1').toString('base64'),
      encoding: 'base64',
      size: 7,
    },
    { name: 'in/a.txt', content: 'one\n', encoding: 'utf-8', size: 4 },
  ])
  expect(answer.missing).toEqual(['nowhere.txt', 'no/*.such'])
  expect((await live.api.list()).sandboxes).toEqual([])
  const { events } = await live.api.json<EventPage>('GET', `/sandboxes/${answer.sandbox_id}/events`)
  expect(events.map(({ type }) => type)).toEqual(['sandbox.created', 'sandbox.deleted'])
})

test('code runs with its language and its result', async () => {
  expect((await run({ code: '6 * 7' })).code).toMatchObject({ text: '42', language: 'python', error: null })
  const failed = await run({ code: 'throw new TypeError("no")', language: 'javascript' })
  expect(failed.code?.error).toMatchObject({ name: 'TypeError', value: 'no' })
})

test('one that finds a ready sandbox says so', async () => {
  await waitFor('a full pool', async () => {
    const { pools } = await live.api.json<{ pools: { ready: number }[] }>('GET', '/pools')
    return pools[0]?.ready === 1
  })
  expect(await run({ command: 'true' })).toMatchObject({ warm: true, command: { exit_code: 0 } })
})

test('what is wrong is told, and nothing is left', async () => {
  const refused = (body: object) => live.api.refused('POST', '/run', body)
  expect(await refused({})).toMatchObject({ code: 'INVALID_REQUEST', detail: expect.stringContaining('command') })
  expect(await refused({ command: 'true', code: '1' })).toMatchObject({ code: 'INVALID_REQUEST' })
  expect(await refused({ command: 'true', files: [{ path: 'a', content: '!', encoding: 'base64' }] })).toMatchObject({
    code: 'VALIDATION_FAILED',
  })
  expect(await refused({ command: 'true', files: [{ path: '/proc/x/y', content: '' }] })).toMatchObject({
    status: expect.any(Number),
  })
  expect(await refused({ command: 'true', cwd: 'relative', template: 'no-such:1' })).toMatchObject({
    status: expect.any(Number),
  })
  expect(await refused({ command: 'true', outputs: ['/'] })).toMatchObject({ code: 'PATH_IS_DIRECTORY' })
  expect(await refused({ code: '1', language: 'latin' })).toMatchObject({ code: 'LANGUAGE_UNAVAILABLE' })
  await nothingIsLeft()
})

test('a client that leaves, and a server that is killed, leave no sandbox', async () => {
  const leave = new AbortController()
  const left = live.api.send('POST', '/run', { command: 'sleep 60' }, { signal: leave.signal }).catch(() => 'left')
  await waitFor('it to run', async () => (await live.api.list('?status=running')).sandboxes.length === 1)
  leave.abort()
  expect(await left).toBe('left')
  await nothingIsLeft()
  const cut = live.api.send('POST', '/run', { command: 'sleep 60' }).catch(() => 'cut')
  await waitFor('it to run', async () => (await live.api.list('?status=running')).sandboxes.length === 1)
  await live.server.kill()
  expect(await cut).toBe('cut')
  await live.server.startAgain()
  await nothingIsLeft()
})

test('its time limit ends it', async () => {
  expect((await run({ command: 'echo begun; sleep 60', timeout: 0.3 })).command).toMatchObject({
    stdout: 'begun\n',
    exit_code: 124,
    reason: 'timeout',
  })
})

describe('a batch', () => {
  const box = useSandbox(live)
  const batch = (body: BatchRequest) => live.api.json<BatchResponse>('POST', `/sandboxes/${box.id}/batch`, body)

  test('does its steps in order and gives what each gave', async () => {
    const { ok, results } = await batch({
      steps: [
        { write: { path: 'w/a.txt', content: 'a' } },
        { command: { command: 'cat w/a.txt; echo b > w/b.txt' } },
        { code: { code: 'open("w/b.txt").read()' } },
        { read: { path: 'w/*.txt' } },
        { delete: { path: 'w' } },
      ],
    })
    expect(ok).toBe(true)
    expect(results.map((result) => result.ok)).toEqual([true, true, true, true, true])
    expect(results[1]).toMatchObject({ step: 1, command: { stdout: 'a' }, code: null, files: null, error: null })
    expect(results[2]).toMatchObject({ code: { text: "'b\\n'" } })
    expect(results[3]?.files).toMatchObject([{ content: 'a' }, { content: 'b\n' }])
    expect(await live.api.names(box.id)).not.toContain('w')
  })

  test('stops at the first failure, or goes on where it is told to', async () => {
    const steps: BatchRequest['steps'] = [
      { command: { command: 'exit 4' } },
      { read: { path: 'nowhere' } },
      { code: { code: '1 / 0' } },
      { command: { command: 'echo last' } },
    ]
    const stopped = await batch({ steps })
    expect(stopped).toMatchObject({ ok: false, results: [{ ok: false, command: { exit_code: 4 } }] })
    expect(stopped.results).toHaveLength(1)
    const all = await batch({ steps, stop_on_error: false })
    expect(all.results.map((result) => result.ok)).toEqual([false, false, false, true])
    expect(all.results[1]?.error).toMatchObject({ code: 'FILE_NOT_FOUND', detail: expect.any(String) })
    expect(all.results[2]?.code?.error).toMatchObject({ name: 'ZeroDivisionError' })
  })

  test('a step is one thing; null members count as absent; a sandbox that does not run is no step', async () => {
    const path = `/sandboxes/${box.id}/batch`
    const two = { write: { path: 'a', content: '' }, read: { path: 'a' } }
    for (const steps of [[], [{}], [two], [{ dance: {} }], 'all'])
      expect(await live.api.refused('POST', path, { steps })).toMatchObject({ code: 'VALIDATION_FAILED' })
    const nulls = { write: null, read: null, command: { command: 'echo fine', cwd: null }, code: null }
    expect(await live.api.json('POST', path, { steps: [nulls] })).toMatchObject({ ok: true })
    await live.api.action(box.id, 'pause')
    expect(await live.api.refused('POST', path, { steps: [{ command: { command: 'true' } }] })).toMatchObject({
      code: 'SANDBOX_STATE_CONFLICT',
    })
    await live.api.action(box.id, 'resume')
  })
})

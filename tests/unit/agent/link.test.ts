import { duplexPair } from 'node:stream'
import { expect, test } from 'vitest'
import { agentUnavailable } from '../../../src/agent/agent-errors.ts'
import { AgentLink } from '../../../src/agent/link.ts'
import { SandboxError } from '../../../src/errors.ts'
import { FakeAgent } from './fake-agent.ts'

const unavailable = expect.objectContaining({ name: 'SandboxError', code: 'AGENT_UNAVAILABLE' })

test('callers at the same time share one opening, later ones its client', async () => {
  await using agent = await FakeAgent.start({})
  let opened = 0
  const link = new AgentLink(() => {
    opened++
    return agent.connect()
  })
  const [one, two] = await Promise.all([link.client(), link.client()])
  expect(two).toBe(one)
  expect(await link.client()).toBe(one)
  expect(opened).toBe(1)
  link.close()
})

test('after a loss the next caller gets a new client', async () => {
  await using agent = await FakeAgent.start({})
  const link = new AgentLink(() => agent.connect())
  const first = await link.client()
  agent.cut()
  await first.closed
  const second = await link.client()
  expect(second).not.toBe(first)
  expect((await second.info()).bootId).toBe('boot-1')
  link.close()
})

test('an opening is tried again while the agent is not there', async () => {
  await using agent = await FakeAgent.start({})
  let tries = 0
  const link = new AgentLink(
    () => {
      if (++tries < 3) throw agentUnavailable('not yet')
      return agent.connect()
    },
    { backoffMs: 1 },
  )
  await link.client()
  expect(tries).toBe(3)
  link.close()
})

test('an opening that never works ends with the last reason', async () => {
  const link = new AgentLink(() => Promise.reject(agentUnavailable('nobody home')), { openTimeoutMs: 50, backoffMs: 1 })
  await expect(link.client()).rejects.toMatchObject({ message: 'nobody home; try again' })
})

test('an opening that hangs ends in time', async () => {
  const hang = ({ signal }: { signal: AbortSignal }) =>
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const link = new AgentLink(hang, { openTimeoutMs: 50 })
  await expect(link.client()).rejects.toEqual(unavailable)
})

test('what is not the agent is not tried again', async () => {
  let tries = 0
  const gone = new SandboxError('SANDBOX_NOT_FOUND', 'gone')
  const link = new AgentLink(() => {
    tries++
    return Promise.reject(gone)
  })
  await expect(link.client()).rejects.toBe(gone)
  expect(tries).toBe(1)
})

test('a caller who leaves does not end the opening for the others; the last one does', async () => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<AbortSignal>()
  const link = new AgentLink(({ signal }) => {
    ask(signal)
    return new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  })
  const [one, two] = [new AbortController(), new AbortController()]
  const first = link.client({ signal: one.signal })
  const second = link.client({ signal: two.signal })
  const inner = await asked
  one.abort(new Error('one left'))
  await expect(first).rejects.toThrow('one left')
  expect(inner.aborted).toBe(false)
  two.abort(new Error('two left'))
  await expect(second).rejects.toThrow('two left')
  expect(inner.aborted).toBe(true)
})

test('an opening that nobody waits for any more leaves no connection', async () => {
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  const [near] = duplexPair()
  const link = new AgentLink(async () => {
    await held
    return near
  })
  const end = new AbortController()
  const waiting = link.client({ signal: end.signal })
  end.abort(new Error('left'))
  await expect(waiting).rejects.toThrow('left')
  const closed = new Promise((resolve) => near.on('close', resolve))
  release()
  await closed
  link.close()
})

test('close ends the client and refuses new ones', async () => {
  await using agent = await FakeAgent.start({ 'GET /v1/files/stat': () => {} })
  const link = new AgentLink(() => agent.connect())
  const client = await link.client()
  const why = new SandboxError('SANDBOX_NOT_FOUND', 'deleted')
  const pending = client.stat('/x', 'u')
  link.close(why)
  await expect(pending).rejects.toBe(why)
  await expect(link.client()).rejects.toBe(why)
})

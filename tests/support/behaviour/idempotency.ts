import { expect, onTestFinished, test } from 'vitest'
import type { SandboxCreated } from '../../../schemas/sandbox.ts'
import { type Answer, asProblem, unique } from '../api.ts'
import type { Live } from '../live.ts'
import { waitFor } from '../wait-for.ts'

/** Creates that are sent again under a key, on every engine. The server is killed and started again. */
export function describeIdempotency(live: Live): void {
  const send = async (key: string, body: unknown = {}, signal?: AbortSignal): Promise<Answer> => {
    const response = await fetch(`${live.api.url}/sandboxes`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', 'Idempotency-Key': key },
      ...(signal ? { signal } : {}),
    })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  const created = ({ status, text }: Answer): SandboxCreated => {
    expect({ status, text }).toMatchObject({ status: 200 })
    const sandbox = JSON.parse(text) as SandboxCreated
    onTestFinished(async () => void (await live.api.send('DELETE', `/sandboxes/${sandbox.sandbox_id}`)))
    return sandbox
  }
  const marked = (metadata: string) => live.api.list(`?metadata=test=${metadata}`)

  test('a create sent again, at once or later, is one sandbox; another body under its key is refused', async () => {
    const key = unique('key')
    const body = { metadata: { test: key, b: '2' }, timeout: 600 }
    const answers = await Promise.all(Array.from({ length: 5 }, () => send(key, body)))
    const ids = new Set(answers.map((answer) => created(answer).sandbox_id))
    expect(ids.size).toBe(1)
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === null)).toHaveLength(1)
    // The order of members is no difference, and neither is null.
    const again = await send(key, { timeout: 600, cwd: null, metadata: { b: '2', test: key } })
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(ids).toContain(created(again).sandbox_id)
    for (const other of [{ ...body, timeout: 601 }, {}]) {
      expect(asProblem(await send(key, other))).toMatchObject({ status: 422, code: 'IDEMPOTENCY_KEY_REUSED' })
    }
    expect((await marked(key)).sandboxes).toHaveLength(1)
    expect(created(await send(unique('key'), body)).sandbox_id).not.toBe([...ids][0])
  })

  test('after kill -9 it is the same sandbox, or it is made anew where its create was cut off', async () => {
    const [kept, cut] = [unique('key'), unique('key')]
    const { sandbox_id: id } = created(await send(kept, { metadata: { test: kept } }))
    const lost = send(cut, { metadata: { test: cut } }).catch(() => null)
    await waitFor('its record', async () => (await marked(cut)).sandboxes.length > 0)
    await live.server.kill()
    const answered = await lost
    await live.server.startAgain()
    expect(created(await send(kept, { metadata: { test: kept } })).sandbox_id).toBe(id)
    expect(asProblem(await send(kept))).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' })
    const anew = created(await send(cut, { metadata: { test: cut } }))
    if (answered?.status === 200) expect(anew.sandbox_id).toBe(created(answered).sandbox_id)
    await waitFor('one only', async () => (await marked(cut)).sandboxes.length === 1)
    expect(await live.api.output(anew.sandbox_id, 'echo works')).toBe('works')
  })

  test('a create whose client left, or that failed, leaves its key free', async () => {
    const key = unique('key')
    const leave = new AbortController()
    const left = send(key, { metadata: { test: key } }, leave.signal).catch(() => 'left')
    await waitFor('its record', async () => (await marked(key)).sandboxes.length > 0)
    const second = send(key, { metadata: { test: key } })
    leave.abort()
    await left
    created(await second)
    await waitFor('one only', async () => (await marked(key)).sandboxes.length === 1)

    const failing = unique('key')
    const { name } = created(await send(unique('key'), { name: unique('taken') }))
    expect(asProblem(await send(failing, { name }))).toMatchObject({ code: 'NAME_TAKEN' })
    expect(created(await send(failing, { name: unique('free') })).status).toBe('running')
  })

  test('once its sandbox was deleted the key says so', async () => {
    const key = unique('key')
    const { sandbox_id: id } = created(await send(key))
    await live.api.delete(id)
    const problem = asProblem(await send(key))
    expect(problem).toMatchObject({ status: 410, code: 'IDEMPOTENT_RESULT_GONE' })
    expect(problem.detail).toContain(id)
  })

  test.each([
    ['', 'empty'],
    ['a b', 'with a space'],
    ['é', 'not ASCII'],
    ['x'.repeat(256), 'too long'],
  ])('the key %j is refused: %s', async (key) => {
    expect(asProblem(await send(key))).toMatchObject({
      status: 422,
      code: 'VALIDATION_FAILED',
      errors: [{ loc: ['header', 'idempotency-key'] }],
    })
  })
}

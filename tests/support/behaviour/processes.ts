import { expect, test } from 'vitest'
import { type Live, useSandbox } from '../live.ts'
import { textOf } from '../text-of.ts'
import { waitFor } from '../wait-for.ts'

const MIB = 1024 * 1024

/** Processes in the background, on every engine and over every link. */
export function describeProcesses(live: Live): void {
  const box = useSandbox(live)
  const start = (request: Parameters<typeof live.api.startProcess>[1]) => live.api.startProcess(box.id, request)
  const path = (processId: string, rest = '') => `/sandboxes/${box.id}/processes/${processId}${rest}`
  const remove = (processId: string) => live.api.json('DELETE', path(processId))

  test('one runs on after its answer, can be found by its tag, waited for and asked how it ended', async () => {
    const started = await start({
      command: 'echo begun; until [ -e stop ]; do sleep 0.02; done; rm stop; exit 7',
      tag: 'a b',
    })
    expect(started).toMatchObject({ state: 'running', tag: 'a b', exit_code: null, usage: null, pty: null })
    const found = (query: string) =>
      live.api.json<{ processes: object[] }>('GET', `/sandboxes/${box.id}/processes${query}`)
    expect((await found('?tag=a%20b&state=running')).processes).toMatchObject([{ process_id: started.process_id }])
    expect((await found('?tag=other')).processes).toEqual([])

    const before = await live.api.json<object>('GET', path(started.process_id, '/wait?timeout=0.05'))
    expect(before).toMatchObject({ state: 'running' })
    const waiting = live.api.ended(box.id, started.process_id)
    await live.api.output(box.id, 'touch stop')
    expect(await waiting).toMatchObject({
      exit_code: 7,
      reason: 'exited',
      usage: { wall_seconds: expect.any(Number), peak_memory_bytes: expect.any(Number) },
      output_bytes: 6,
    })
    expect((await found('?tag=a%20b&state=exited')).processes).toHaveLength(1)
    await remove(started.process_id)
    expect((await found('?tag=a%20b')).processes).toEqual([])
  })

  test('argv is run as it is, without a shell', async () => {
    const { process_id } = await start({ argv: ['printf', '%s|', '$HOME', 'a b', "it's"] })
    await live.api.ended(box.id, process_id)
    expect(await live.api.processOutput(box.id, process_id)).toMatchObject({
      stdout: "$HOME|a b|it's|",
      complete: true,
    })
  })

  test('its input is written in parts, as text and as bytes, and closed', async () => {
    const { process_id } = await start({ argv: ['cat'], stdin: true })
    await live.api.type(box.id, process_id, 'one ')
    await live.api.type(box.id, process_id, Buffer.from([0xff, 0x00]).toString('base64'), { encoding: 'base64' })
    const bytes = Buffer.alloc(3 * MIB, 'x')
    const answer = await fetch(`${live.api.url}${path(process_id, '/stdin?close=true')}`, {
      method: 'POST',
      body: bytes,
    })
    expect(answer.status).toBe(200)
    expect(await live.api.ended(box.id, process_id)).toMatchObject({ exit_code: 0, output_bytes: 4 + 2 + 3 * MIB })
    const closed = await live.api.refused('POST', path(process_id, '/stdin'), { data: 'more' })
    expect(closed).toMatchObject({ status: 409, code: 'STDIN_CLOSED' })
  })

  test('without an input of its own it reads nothing, and writing to it says what to do', async () => {
    const { process_id } = await start({ command: 'cat; until [ -e on ]; do sleep 0.02; done; rm on' })
    const problem = await live.api.refused('POST', path(process_id, '/stdin'), { data: 'x' })
    expect(problem).toMatchObject({ status: 409, code: 'STDIN_CLOSED' })
    await live.api.output(box.id, 'touch on')
    expect(await live.api.ended(box.id, process_id)).toMatchObject({ exit_code: 0 })
  })

  test('a signal reaches it, by either name; it says which one ended it', async () => {
    const trap = 'trap "echo told; exit 4" TERM; echo ready; while :; do sleep 0.02; done'
    const polite = await start({ command: trap })
    await waitFor('it to be ready', async () => (await live.api.processOutput(box.id, polite.process_id)).stdout !== '')
    await live.api.json('POST', path(polite.process_id, '/signal'), { signal: 'TERM' })
    expect(await live.api.ended(box.id, polite.process_id)).toMatchObject({ exit_code: 4, signal: null })
    const plain = await start({ argv: ['sleep', '60'] })
    await live.api.json('POST', path(plain.process_id, '/signal'), { signal: 'SIGKILL', scope: 'process' })
    expect(await live.api.ended(box.id, plain.process_id)).toMatchObject({
      exit_code: 137,
      signal: 'SIGKILL',
      reason: 'signaled',
    })
    const unknown = await live.api.refused('POST', path(plain.process_id, '/signal'), { signal: 'SIGNONE' })
    expect(unknown.status).toBe(400)
  })

  test('deleting kills it with all that it started', async () => {
    const { process_id } = await start({ command: 'setsid sleep 38.25 & trap "" TERM; sleep 38.25' })
    await waitFor('both to run', async () => (await live.api.output(box.id, 'pgrep -cfx "sleep 38.25" || :')) === '2')
    expect(await remove(process_id)).toEqual({ process_id, status: 'deleted' })
    expect(await live.api.output(box.id, 'pgrep -fx "sleep 38.25" || echo none')).toBe('none')
    expect(await live.api.refused('GET', path(process_id))).toMatchObject({ status: 404, code: 'PROCESS_NOT_FOUND' })
  })

  test('at its time limit it is ended', async () => {
    const { process_id } = await start({ command: 'sleep 60', timeout: 0.2 })
    expect(await live.api.ended(box.id, process_id)).toMatchObject({ exit_code: 124, reason: 'timeout' })
  })

  test('its output is read in parts, from any offset, and no character is cut', async () => {
    const { process_id } = await start({
      command: 'i=0; while [ $i -lt 1000 ]; do printf äöü; i=$((i+1)); done',
    })
    await live.api.ended(box.id, process_id)
    const first = await live.api.processOutput(box.id, process_id, '?limit=1025')
    expect(first).toMatchObject({ next_offset: 1024, complete: false, dropped_bytes: 0 })
    const second = await live.api.processOutput(box.id, process_id, `?offset=${first.next_offset}`)
    expect(second).toMatchObject({ next_offset: 6000, complete: true, stderr: '' })
    expect(first.stdout + second.stdout).toBe('äöü'.repeat(1000))
    const exact = await live.api.processOutput(box.id, process_id, '?offset=1&limit=1024&encoding=base64&stream=stdout')
    expect(Buffer.from(exact.stdout, 'base64')).toEqual(Buffer.from('äöü'.repeat(1000)).subarray(1, 1025))
    const end = await live.api.processOutput(box.id, process_id, '?tail=2&stream=stdout')
    expect(end).toMatchObject({ stdout: 'ü', stderr: '', complete: true })
    const beyond = await live.api.refused('GET', path(process_id, '/output?offset=99999'))
    expect(beyond.status).toBe(400)
  })

  test('what was overwritten is told, and the rest is there', async () => {
    const { process_id } = await start({ command: 'yes 0123456 | head -c 1048576', buffer_bytes: 65_536 })
    await live.api.ended(box.id, process_id)
    const { stdout, dropped_bytes, complete } = await live.api.processOutput(box.id, process_id)
    expect(complete).toBe(true)
    expect(dropped_bytes + stdout.length).toBe(MIB)
    expect(stdout.length).toBeGreaterThan(32 * 1024)
    expect(stdout.endsWith('0123456\n')).toBe(true)
  })

  test.each(['text/event-stream', 'application/x-ndjson'] as const)('several follow one as %s', async (accept) => {
    const { process_id } = await start({ command: 'cat', stdin: true })
    const readers = [0, 1, 2].map(() => Array.fromAsync(live.api.followProcess(box.id, process_id, '', { accept })))
    await live.api.type(box.id, process_id, 'for all', { close: true })
    for (const events of await Promise.all(readers)) {
      expect(events[0]).toMatchObject({ type: 'start', process_id })
      expect(textOf(events, 'stdout')).toBe('for all')
      expect(events.at(-1)).toMatchObject({ type: 'end', exit_code: 0, reason: 'exited' })
    }
  })

  test('a reader that lost its connection goes on where it was, as EventSource does', async () => {
    const { process_id } = await start({ command: 'cat', stdin: true })
    await live.api.type(box.id, process_id, 'first ')
    const reader = live.api.followProcess(box.id, process_id, '', { accept: 'text/event-stream' })
    await reader.next()
    const { value: seen } = await reader.next()
    expect(seen).toMatchObject({ type: 'stdout', text: 'first ', offset: 6 })
    await reader.return()
    await live.api.type(box.id, process_id, 'second', { close: true })
    await live.api.ended(box.id, process_id)
    const headers = { 'last-event-id': '6' }
    const rest = await Array.fromAsync(
      live.api.followProcess(box.id, process_id, '', { accept: 'text/event-stream', headers }),
    )
    expect(textOf(rest, 'stdout')).toBe('second')
  })

  test('as bytes: all of one stream, to the end', async () => {
    const { process_id } = await start({ command: 'head -c 20000000 /dev/zero; echo told >&2', buffer_bytes: 65_536 })
    const answer = await fetch(`${live.api.url}${path(process_id, '/output?stream=stdout')}`, {
      headers: { accept: 'application/octet-stream' },
    })
    expect(answer.headers.get('content-type')).toBe('application/octet-stream')
    const bytes = Buffer.from(await answer.arrayBuffer())
    const { dropped_bytes } = await live.api.ended(box.id, process_id)
    expect(bytes.length + dropped_bytes).toBe(20_000_000)
    expect(bytes.every((byte) => byte === 0)).toBe(true)
  })

  test('a command in the foreground is one of them, and can be followed from elsewhere', async () => {
    const events = live.api.follow(box.id, {
      command: 'echo here; until [ -e go ]; do sleep 0.02; done; rm go; echo there',
    })
    const { value: first } = await events.next()
    const process_id = first?.type === 'start' ? first.process_id : ''
    const other = Array.fromAsync(live.api.followProcess(box.id, process_id))
    await live.api.output(box.id, 'touch go')
    const mine = await Array.fromAsync(events)
    expect(textOf(mine, 'stdout')).toBe('here\nthere\n')
    expect(textOf(await other, 'stdout')).toBe('here\nthere\n')
  })

  test('a run of code is one too, displays included', async () => {
    const { process_id } = await live.api.code(box.id, 'print("said"); 6 * 7')
    const events = await Array.fromAsync(live.api.followProcess(box.id, process_id))
    expect(textOf(events, 'stdout')).toBe('said\n')
    expect(events.filter(({ type }) => type === 'result')).toMatchObject([{ result: { text: '42' } }])
    expect(await live.api.json('GET', path(process_id))).toMatchObject({
      context_id: 'default-python',
      state: 'exited',
    })
  })

  test('what can not be started says why, and is in no list', async () => {
    const refusals: [object, string][] = [
      [{}, 'INVALID_REQUEST'],
      [{ command: 'true', argv: ['true'] }, 'INVALID_REQUEST'],
      [{ argv: ['no-such-program'] }, 'COMMAND_NOT_FOUND'],
      [{ command: 'true', cwd: '/missing' }, 'CWD_NOT_FOUND'],
      [{ command: 'true', user: 'nobody-here' }, 'USER_NOT_FOUND'],
      [{ argv: [] }, 'VALIDATION_FAILED'],
      [{ pty: { cols: 0, rows: 24 } }, 'VALIDATION_FAILED'],
    ]
    const count = (await live.api.processes(box.id)).processes.length
    for (const [request, code] of refusals) {
      expect(await live.api.refused('POST', `/sandboxes/${box.id}/processes`, request), code).toMatchObject({ code })
    }
    expect((await live.api.processes(box.id)).processes.length).toBe(count)
  })
}

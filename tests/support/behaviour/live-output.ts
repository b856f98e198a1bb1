import { expect, test } from 'vitest'
import type { CodeExecution } from '../../../schemas/code.ts'
import type { CommandExecution } from '../../../schemas/command.ts'
import type { ExecutionEvent } from '../../../schemas/live.ts'
import { type Live, useSandbox } from '../live.ts'
import { textOf } from '../text-of.ts'
import { waitFor } from '../wait-for.ts'

const MIB = 1024 * 1024

/** Commands and code whose answers come as they happen, on every engine and over every link. */
export function describeLiveOutput(live: Live): void {
  const box = useSandbox(live)
  const follow = (request: CommandExecution | CodeExecution) => live.api.follow(box.id, request)
  const all = (request: CommandExecution | CodeExecution) => Array.fromAsync(follow(request))
  const make = (file: string) => live.api.output(box.id, `touch ${file}`)

  test.each(['text/event-stream', 'application/x-ndjson'] as const)('a command as %s', async (accept) => {
    const command = 'echo out; echo err >&2; exit 3'
    const events = await Array.fromAsync(live.api.follow(box.id, { command }, { accept }))
    const start = events.shift()
    const end = events.pop()
    const process_id = expect.stringMatching(/^p/)
    const created_at = expect.stringMatching(/Z$/)
    expect(start).toEqual({ type: 'start', process_id, created_at, language: null, context_id: null })
    expect(textOf(events, 'stdout')).toBe('out\n')
    expect(textOf(events, 'stderr')).toBe('err\n')
    expect(end).toEqual({
      type: 'end',
      exit_code: 3,
      reason: 'exited',
      signal: null,
      usage: expect.objectContaining({ wall_seconds: expect.any(Number) }),
      truncated: false,
      state_lost: false,
      finished_at: created_at,
    })
  })

  test('what a command prints is there while it runs', async () => {
    const events = follow({ command: 'printf first; until [ -e go-on ]; do sleep 0.02; done; printf second; rm go-on' })
    expect(await events.next()).toMatchObject({ value: { type: 'start' } })
    expect(await events.next()).toMatchObject({ value: { type: 'stdout', text: 'first' } })
    await make('go-on')
    const rest = await Array.fromAsync(events)
    expect(rest).toMatchObject([
      { type: 'stdout', text: 'second' },
      { type: 'end', exit_code: 0 },
    ])
  })

  test('code: output, displays and their updates, the error and the end, in order', async () => {
    const code = [
      'import sys',
      'print("one", flush=True)',
      'shown = display("before", display_id="bar")',
      'display("after", display_id="bar", update=True) if shown is None else shown.update("after")',
      'print("two", file=sys.stderr, flush=True)',
      '{}["x"]',
    ].join('\n')
    const [start, ...events] = await all({ code })
    expect(start).toMatchObject({ type: 'start', language: 'python', context_id: 'default-python' })
    const shown = events.filter((event) => event.type === 'result')
    expect(shown).toMatchObject([
      { result: { text: "'before'", display_id: 'bar', is_main_result: false }, update: false },
      { result: { text: "'after'", display_id: 'bar' }, update: true },
    ])
    expect([textOf(events, 'stdout'), textOf(events, 'stderr')]).toEqual(['one\n', 'two\n'])
    expect(events.slice(-2)).toMatchObject([
      { type: 'error', error: { name: 'KeyError', value: "'x'", traceback: expect.any(Array) } },
      { type: 'end', exit_code: 1, reason: 'exited', state_lost: false },
    ])
  })

  test('code: the value of the last line is the main result, and variables stay', async () => {
    await all({ code: 'live_x = 20' })
    const events = await all({ code: 'live_x + 1' })
    expect(events.map(({ type }) => type)).toEqual(['start', 'result', 'end'])
    expect(events[1]).toMatchObject({ result: { text: '21', is_main_result: true } })
  })

  test('code at its time limit ends with TimeoutError', async () => {
    const events = await all({ code: 'import time\nprint("begun", flush=True)\ntime.sleep(60)', timeout: 1 })
    expect(textOf(events, 'stdout')).toBe('begun\n')
    expect(events.slice(-2)).toMatchObject([
      { type: 'error', error: { name: 'TimeoutError' } },
      { type: 'end', exit_code: 124, reason: 'timeout' },
    ])
  })

  test('progress bars come as they are written, and a character that is cut comes whole', async () => {
    const command = 'printf "10%%\\r"; printf "gr\\303"; sleep 0.1; printf "\\274n"; printf "\\377"; printf "\\303"'
    expect(textOf(await all({ command }), 'stdout')).toBe('10%\rgrün\u{fffd}\u{fffd}')
    const events = await all({ command, encoding: 'base64' })
    const bytes = events.flatMap((event) => (event.type === 'stdout' ? [Buffer.from(event.text, 'base64')] : []))
    expect(Buffer.concat(bytes).toString('latin1')).toBe('10%\rgr\u00c3\u00bcn\u00ff\u00c3')
  })

  test('timestamps are those of the writing', async () => {
    const events = await all({ command: 'date +%s.%N; sleep 0.3; date +%s.%N' })
    const lines = events.flatMap((event) => (event.type === 'stdout' ? [event] : []))
    expect(lines).toHaveLength(2)
    for (const { text, timestamp } of lines) expect(Math.abs(timestamp - Number(text))).toBeLessThan(0.2)
  })

  test('what is wrong before the start is answered as ever', async () => {
    await expect(all({ code: '1', context_id: 'nobody' })).rejects.toThrow(/answered 404: .*CONTEXT_NOT_FOUND/)
    await expect(all({ command: 'true', cwd: '/missing' })).rejects.toThrow(/answered 400: .*CWD_NOT_FOUND/)
    await expect(all({ command: 'true', timeout: -1 })).rejects.toThrow(/answered 422/)
    await expect(Array.fromAsync(live.api.follow('a'.repeat(20), { command: 'true' }))).rejects.toThrow(/answered 404/)
  })

  test('a client that leaves ends its command', async () => {
    for await (const event of follow({ command: 'echo $$; sleep 61.25' })) if (event.type === 'stdout') break
    await waitFor('the command to be killed', async () => (await count('sleep 61.25')) === 0)
  })

  test('a client that leaves interrupts its code, and the state stays', async () => {
    await live.api.code(box.id, 'kept = 7')
    const code = 'import time\nprint("on", flush=True)\ntry:\n  time.sleep(60)\nexcept KeyboardInterrupt:\n  kept += 1'
    for await (const event of follow({ code })) if (event.type === 'stdout') break
    expect((await live.api.code(box.id, 'kept')).text).toBe('8')
  })

  test.each([
    ['live', true],
    ['at once', false],
  ])('with `detach` a command that is answered %s runs on when its client leaves', async (_name, isLive) => {
    const request = { command: 'echo on > detached; until [ -e go-on ]; do sleep 0.02; done; rm go-on', detach: true }
    const leave = new AbortController()
    const left = isLive
      ? Array.fromAsync(live.api.follow(box.id, request, { signal: leave.signal }))
      : live.api.command(box.id, request, { signal: leave.signal })
    left.catch(() => undefined)
    const running = await waitFor('the command to run', async () => {
      const { processes } = await live.api.processes(box.id)
      return processes.find(({ command, state }) => command === request.command && state === 'running')
    })
    await waitFor('its first line', async () => (await live.api.names(box.id)).includes('detached'))
    leave.abort()
    await expect(left).rejects.toThrow()
    // A call that comes after the server has seen it leave would find it killed.
    await waitFor('the server to be without calls', async () => (await live.api.get(box.id)).expires_at !== null)
    await make('go-on')
    const path = `/sandboxes/${box.id}/processes/${running.process_id}`
    const ended = await waitFor('its end', async () => {
      const process = await live.api.json<{ state: string }>('GET', path)
      return process.state === 'exited' && process
    })
    expect(ended).toMatchObject({ exit_code: 0, reason: 'exited' })
  })

  test('with `detach` code runs on when its client leaves', async () => {
    const code =
      'import os, time\nprint("on", flush=True)\nwhile not os.path.exists("go-on"): time.sleep(0.02)\nos.remove("go-on")\ndone = "yes"'
    for await (const event of follow({ code, detach: true })) if (event.type === 'stdout') break
    await make('go-on')
    expect((await live.api.code(box.id, 'done')).text).toBe("'yes'")
  })

  test('a reader that is slow slows the program down, loses nothing and costs no memory', async () => {
    const sizeBytes = 200 * MIB
    const before = await live.server.residentBytes()
    const events = follow({ command: `head -c ${sizeBytes} /dev/zero | tr '\\0' x; echo written >&2` })
    await events.next()
    await events.next()
    // The pipes and windows on the way are full before this; the program could write all of it in the time.
    await live.api.output(box.id, 'sleep 1')
    const { processes } = await live.api.processes(box.id)
    expect(processes.some(({ state, command }) => state === 'running' && command.startsWith('head'))).toBe(true)
    expect((await live.server.residentBytes()) - before).toBeLessThan(64 * MIB)
    let received = 0
    let last: ExecutionEvent | undefined
    for await (const event of events) {
      if (event.type === 'stdout') received += event.text.length
      last = event
    }
    expect(last).toMatchObject({ type: 'end', exit_code: 0, truncated: false })
    expect(received).toBeGreaterThan(sizeBytes - 2 * MIB)
    expect(received).toBeLessThanOrEqual(sizeBytes)
  })

  test('a sandbox that is deleted under a run ends its stream with the reason', async () => {
    const { sandbox_id } = await live.api.create()
    const events = live.api.follow(sandbox_id, { command: 'echo on; sleep 60' })
    await events.next()
    await events.next()
    await live.api.delete(sandbox_id)
    const rest = await Array.fromAsync(events)
    expect(rest).toMatchObject([{ type: 'problem', problem: { status: 404, code: 'SANDBOX_NOT_FOUND' } }])
  })

  async function count(command: string): Promise<number> {
    const pattern = command.replace(/^(.)/, '[$1]').replaceAll('.', '\\.')
    return Number(await live.api.output(box.id, `pgrep -fc '${pattern}' || true`))
  }
}

import { expect, test } from 'vitest'
import type { Context } from '../../../schemas/context.ts'
import { type Live, useSandbox } from '../live.ts'
import { waitFor } from '../wait-for.ts'

/** Contexts as a caller sees them, on every engine. */
export function describeContexts(live: Live): void {
  const box = useSandbox(live, { envs: { OF_SANDBOX: 'box' } })
  const run = (code: string, more: object = {}) => live.api.code(box.id, code, more)
  const printed = async (code: string, more: object = {}) =>
    (await run(code, more)).logs.stdout.map(({ line }) => line).join('')
  const path = (rest = '') => `/sandboxes/${box.id}/contexts${rest}`
  const create = (body: object = {}) => live.api.json<Context>('POST', path(), body)
  const get = (id: string) => live.api.json<Context>('GET', path(`/${id}`))
  const remove = (id: string) => live.api.json('DELETE', path(`/${id}`))
  const untilBusy = (id: string) => waitFor('the run', async () => (await get(id)).state === 'busy')

  test('a context is made, shown, listed, used and deleted; what is gone is 404', async () => {
    const made = await create()
    expect(made).toMatchObject({ language: 'python', state: 'idle', run_count: 0, restart_count: 0 })
    expect(made.version).toMatch(/^3\.\d+/)
    expect(await run('x = 1', { context_id: made.context_id })).toMatchObject({
      error: null,
      context_id: made.context_id,
      language: 'python',
    })
    expect(await get(made.context_id)).toMatchObject({ run_count: 1, state: 'idle' })
    const { contexts } = await live.api.json<{ contexts: Context[] }>('GET', path())
    expect(contexts.map(({ context_id }) => context_id)).toContain(made.context_id)
    expect(await remove(made.context_id)).toEqual({ context_id: made.context_id, status: 'deleted' })
    const gone = { status: 404, code: 'CONTEXT_NOT_FOUND' }
    expect(await live.api.refused('GET', path(`/${made.context_id}`))).toMatchObject(gone)
    expect(await live.api.refused('DELETE', path(`/${made.context_id}`))).toMatchObject(gone)
    expect(
      await live.api.refused('POST', `/sandboxes/${box.id}/code`, { code: '1', context_id: made.context_id }),
    ).toMatchObject(gone)
  })

  test('contexts share nothing, and a deleted default one is made again', async () => {
    const { context_id } = await create()
    await run('shared = 1')
    expect(await run('shared', { context_id })).toMatchObject({ error: { name: 'NameError' } })
    await remove(context_id)
    await remove('default-python')
    expect(await run('shared')).toMatchObject({ error: { name: 'NameError' }, state_lost: false })
  })

  test.each([
    [
      'python',
      'import os; os.chdir("/tmp"); os.environ["A"] = "own"',
      'import os; print(os.getcwd(), os.environ.get("A"), os.environ.get("B"))',
      '/tmp own None\n',
    ],
    [
      'javascript',
      'process.chdir("/tmp"); process.env.A = "own"',
      'console.log(process.cwd(), process.env.A, process.env.B)',
      '/tmp own undefined\n',
    ],
    ['bash', 'cd /tmp; export A=own', 'echo $PWD $A $(printenv B || echo undefined)', '/tmp own undefined\n'],
  ])(
    'cwd and envs of one run are put back after it, and what the code sets stays: %s',
    async (language, set, show, after) => {
      const { context_id } = await create({ language, envs: { OF_CONTEXT: 'ctx' } })
      await run(set, { context_id })
      const during = await printed(show, { context_id, cwd: '/usr', envs: { A: 'given', B: 'given too' } })
      expect(during).toBe('/usr given given too\n')
      expect(await printed(show, { context_id })).toBe(after)
      const failed = await run('nonsense(', { context_id, cwd: '/usr', envs: { B: 'x' } })
      expect(failed.error).not.toBeNull()
      expect(await printed(show, { context_id })).toBe(after)
      await remove(context_id)
    },
  )

  test("the sandbox's and the context's environment are visible", async () => {
    const { context_id } = await create({ language: 'bash', envs: { OF_CONTEXT: 'ctx' } })
    expect(await printed('echo $OF_SANDBOX $OF_CONTEXT', { context_id })).toBe('box ctx\n')
    await remove(context_id)
  })

  test('runs in one context wait for each other; contexts run side by side', async () => {
    const first = await create()
    const second = await create()
    const code = (n: number) =>
      `import time; log = globals().get("log", []); log += ["begin"]; time.sleep(0.05); log += ["end"]; ${n}`
    const answers = await Promise.all([0, 1, 2, 3, 4].map((n) => run(code(n), { context_id: first.context_id })))
    expect(answers.map(({ text }) => text)).toEqual(['0', '1', '2', '3', '4'])
    const { text } = await run('" ".join(log)', { context_id: first.context_id })
    expect(text).toBe(`'${Array(5).fill('begin end').join(' ')}'`)
    const long = run('import time; time.sleep(5)', { context_id: first.context_id })
    await untilBusy(first.context_id)
    expect(await run('1 + 1', { context_id: second.context_id })).toMatchObject({ text: '2' })
    expect(await get(first.context_id)).toMatchObject({ state: 'busy' })
    await live.api.json('POST', path(`/${first.context_id}/interrupt`))
    expect(await long).toMatchObject({ error: { name: 'KeyboardInterrupt' } })
    await remove(first.context_id)
    await remove(second.context_id)
  })

  test.each([
    ['python', 'x = 1', 'while True: pass', 'x', 'text', '1'],
    ['javascript', 'var x = 1', 'while (true) {}', 'x', 'text', '1'],
    ['bash', 'x=1', 'while :; do :; done', 'echo $x', 'stdout', '1\n'],
  ])('an interrupt ends the run and keeps the state: %s', async (language, set, loop, use, where, value) => {
    const { context_id } = await create({ language })
    await run(set, { context_id })
    const looping = run(loop, { context_id })
    await untilBusy(context_id)
    await live.api.json('POST', path(`/${context_id}/interrupt`))
    expect(await looping).toMatchObject({ error: { name: 'KeyboardInterrupt' }, state_lost: false })
    const answer = await run(use, { context_id })
    expect(where === 'text' ? answer.text : answer.logs.stdout[0]?.line).toBe(value)
    await remove(context_id)
  })

  test('at the time limit a run is interrupted, and where it does not obey its interpreter is replaced', async () => {
    const { context_id } = await create()
    await run('x = 1', { context_id })
    expect(await run('print("begun", flush=True)\nwhile True: pass', { context_id, timeout: 0.5 })).toMatchObject({
      error: { name: 'TimeoutError' },
      reason: 'timeout',
      exit_code: 124,
      state_lost: false,
      logs: { stdout: [{ line: 'begun\n' }] },
    })
    expect(await run('x', { context_id })).toMatchObject({ text: '1' })
    const stubborn = 'import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass'
    expect(await run(stubborn, { context_id, timeout: 0.5 })).toMatchObject({
      error: { name: 'TimeoutError' },
      reason: 'timeout',
      state_lost: true,
    })
    expect(await run('x', { context_id })).toMatchObject({ error: { name: 'NameError' } })
    expect(await get(context_id)).toMatchObject({ restart_count: 1 })
    await remove(context_id)
  })

  test('a restart ends the run with ContextRestarting, and a new interpreter runs what waits', async () => {
    const { context_id } = await create()
    await run('x = 1', { context_id })
    const running = run('import time; time.sleep(60)', { context_id })
    await untilBusy(context_id)
    const waiting = run('"x" in globals()', { context_id })
    await waitFor(
      'the second run',
      async () => (await live.api.processes(box.id)).processes.filter(({ state }) => state === 'running').length >= 2,
    )
    expect(await live.api.json<Context>('POST', path(`/${context_id}/restart`))).toMatchObject({ restart_count: 1 })
    expect(await running).toMatchObject({ error: { name: 'ContextRestarting' }, reason: 'restarted', state_lost: true })
    expect(await waiting).toMatchObject({ text: 'False' })
    await remove(context_id)
  })

  test.each([
    ['ends itself', 'import os; os._exit(3)', 'exited', 3],
    ['is killed', 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)', 'signaled', 137],
    ['crashes', 'import ctypes; ctypes.string_at(0)', 'signaled', 139],
  ])(
    'an interpreter that %s ends its run with an error, and the context goes on anew',
    async (_, code, reason, exitCode) => {
      const { context_id } = await create()
      await run('x = 1', { context_id })
      const answer = await run(code, { context_id })
      expect(answer).toMatchObject({ reason, exit_code: exitCode, state_lost: true })
      expect(answer.error).not.toBeNull()
      expect(await run('x', { context_id })).toMatchObject({ error: { name: 'NameError' } })
      await remove(context_id)
    },
  )

  test('contexts that a create asks for start by themselves', async () => {
    const { sandbox_id } = await live.api.create({ prestart: ['Python', 'bash'] })
    const names = async () => {
      const { contexts } = await live.api.json<{ contexts: Context[] }>('GET', `/sandboxes/${sandbox_id}/contexts`)
      return contexts.filter(({ state }) => state === 'idle').map(({ context_id }) => context_id)
    }
    await waitFor('both contexts', async () => (await names()).length === 2)
    expect((await names()).toSorted()).toEqual(['default-bash', 'default-python'])
    expect(await live.api.code(sandbox_id, '1 + 1')).toMatchObject({ text: '2', context_id: 'default-python' })
    await live.api.delete(sandbox_id)
  })

  test('code does not care that its context is still starting', async () => {
    const { sandbox_id } = await live.api.create({ prestart: ['javascript'] })
    expect(await live.api.code(sandbox_id, '6 * 7', { language: 'js' })).toMatchObject({
      text: '42',
      state_lost: false,
    })
    await live.api.delete(sandbox_id)
  })

  test.each(['perl', 'cobol'])('%s can not start ahead, and nothing is made', async (language) => {
    const refused = await live.api.refused('POST', '/sandboxes', { prestart: [language], name: 'ahead-of-nothing' })
    expect(refused).toMatchObject({ status: 400, code: 'LANGUAGE_UNAVAILABLE' })
    expect((await live.api.list('?name=ahead-of-nothing')).sandboxes).toEqual([])
  })

  test('a client that leaves interrupts its run, and the state stays', async () => {
    const { context_id } = await create()
    await run('x = 1', { context_id })
    const leave = new AbortController()
    const left = live.api
      .send(
        'POST',
        `/sandboxes/${box.id}/code`,
        { code: 'import time; time.sleep(60)', context_id },
        { signal: leave.signal },
      )
      .catch(() => 'left')
    await untilBusy(context_id)
    leave.abort()
    expect(await left).toBe('left')
    await waitFor('the context', async () => (await get(context_id)).state === 'idle')
    expect(await run('x', { context_id })).toMatchObject({ text: '1', state_lost: false })
    await remove(context_id)
  })

  test('displays come with all their forms, in order with each other, and an update replaces', async () => {
    const code = [
      'class Rich:',
      '    def _repr_html_(self): return "<b>rich</b>"',
      '    def __repr__(self): return "plain"',
      'display(Rich())',
      'handle = display("first", display_id=True)',
      'handle.update("second")',
      'Rich()',
    ].join('\n')
    const { results, text } = await run(code)
    expect(results).toMatchObject([
      { type: 'text/html', html: '<b>rich</b>', text: 'plain', is_main_result: false },
      { type: 'text/plain', text: "'second'", is_main_result: false, display_id: expect.any(String) },
      { type: 'text/html', html: '<b>rich</b>', text: 'plain', is_main_result: true },
    ])
    expect(text).toBe('plain')
  })

  test('what is too large is left out, and said', async () => {
    const code =
      'class Big:\n    def _repr_html_(self): return "x" * 1_000_000\n    def __repr__(self): return "small"\nBig()'
    const answer = await run(code, { output_limit_bytes: 20_000 })
    expect(answer).toMatchObject({
      truncated: true,
      results: [{ text: 'small', html: null, truncated: ['text/html'] }],
    })
  })

  test('there is no standard input, and code that asks for it is told at once', async () => {
    expect(await run('input("name? ")')).toMatchObject({ error: { name: 'EOFError' } })
    expect(await printed('read -r line || echo none', { language: 'bash' })).toBe('none\n')
  })

  test('context_id with a language or a user is refused', async () => {
    const { context_id } = await create()
    for (const more of [{ language: 'python' }, { user: 'root' }]) {
      expect(
        await live.api.refused('POST', `/sandboxes/${box.id}/code`, { code: '1', context_id, ...more }),
      ).toMatchObject({
        status: 400,
        code: 'INVALID_REQUEST',
      })
    }
    await remove(context_id)
  })

  test.each([
    [{ language: 'cobol' }, 'LANGUAGE_UNAVAILABLE', /cobol/],
    [{ language: 'sh' }, 'LANGUAGE_UNAVAILABLE', /no contexts.*python/],
    [{ cwd: '/nowhere' }, 'CWD_NOT_FOUND', /nowhere/],
    [{ user: 'nobody-here' }, 'USER_NOT_FOUND', /nobody-here/],
  ])('a context that can not be: %j', async (body, code, words) => {
    const problem = await live.api.refused('POST', path(), body)
    expect(problem).toMatchObject({ status: 400, code })
    expect(problem.detail).toMatch(words)
  })
}

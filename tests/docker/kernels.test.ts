/** Jupyter kernels of an image, with IPython's as the example; R's is in the full image. */
import { beforeAll, describe, expect, test } from 'vitest'
import type { Context } from '../../schemas/context.ts'
import type { LanguageList } from '../../schemas/language.ts'
import { ensureImage, KERNEL_IMAGE } from '../setup/images.ts'
import { useEngine, useSandbox, useServer } from '../support/live.ts'
import { waitFor } from '../support/wait-for.ts'

const engine = useEngine()
beforeAll(async () => {
  await ensureImage(engine.docker, KERNEL_IMAGE)
}, 300_000)

describe.each(['ipython', 'by-message'])('a kernel called %s', (language) => {
  const live = useServer()
  const box = useSandbox(live, { template: KERNEL_IMAGE, envs: { OF_SANDBOX: 'box' } })
  const run = (code: string, more: object = {}) => live.api.code(box.id, code, { language, ...more })

  test('keeps its state, prints, and shows the last value', async () => {
    expect(await run('x = 20\nprint("hi")')).toMatchObject({
      logs: { stdout: [{ line: 'hi\n' }], stderr: [] },
      error: null,
      context_id: `default-${language}`,
    })
    expect(await run('x + 1')).toMatchObject({ text: '21', exit_code: 0, language, state_lost: false })
  })

  test('sees the environment of the sandbox, of its kernelspec, and its folder', async () => {
    const { text } = await run('import os; (os.environ["OF_SANDBOX"], os.environ["OF_SPEC"], os.getcwd(), os.getuid())')
    expect(text).toBe("('box', 'spec', '/home/user', 1000)")
  })

  test('output of subprocesses and to both streams comes as it is written', async () => {
    const answer = await run(
      'import os, sys\nprint("err", file=sys.stderr)\nos.system("echo sub; echo sub2 >&2")\nNone',
    )
    const text = (lines: { line: string }[]) => lines.map(({ line }) => line).join('')
    expect([text(answer.logs.stdout), text(answer.logs.stderr).split('\n').toSorted().join()]).toEqual(
      expect.arrayContaining([expect.stringContaining('sub\n')]),
    )
    expect(text(answer.logs.stderr)).toContain('err\n')
  })

  test('displays come in every form, updates replace them', async () => {
    const code =
      'from IPython.display import HTML, display\nh = display(HTML("<b>1</b>"), display_id="d")\nh.update(HTML("<b>2</b>"))\n{"a": 1}'
    const { results } = await run(code)
    expect(results).toMatchObject([
      { html: '<b>2</b>', display_id: 'd', is_main_result: false },
      { text: "{'a': 1}", is_main_result: true },
    ])
  })

  test('a display that is too large loses its largest form, and says so', async () => {
    const code = 'from IPython.display import HTML, display\ndisplay(HTML("x" * 300_000))'
    const { results, truncated } = await run(code, { output_limit_bytes: 100_000 })
    expect(results).toMatchObject([{ html: null, text: expect.stringContaining('HTML'), truncated: ['text/html'] }])
    expect(truncated).toBe(true)
  })

  test('an error has name, value and a traceback without colours', async () => {
    const { error, exit_code } = await run('{}["missing"]')
    expect(error).toMatchObject({ name: 'KeyError', value: "'missing'" })
    expect(error?.traceback?.join('\n')).toContain('missing')
    expect(error?.traceback?.join('\n')).not.toContain('\u001b')
    expect(exit_code).toBe(1)
  })

  test('at its time limit it is interrupted, and keeps its state', async () => {
    await run('kept = 7')
    const late = await run('import time\nfor _ in range(600): time.sleep(0.1)', { timeout: 1 })
    expect(late).toMatchObject({ error: { name: 'TimeoutError' }, reason: 'timeout', state_lost: false })
    expect(await run('kept')).toMatchObject({ text: '7', state_lost: false })
  })

  test('reading standard input fails at once', async () => {
    expect((await run('input()')).error?.name).toMatch(/StdinNotImplemented|EOF/)
  })

  test('cwd and envs of one run hold for it alone, however it ends', async () => {
    const value = '\'"""\\ $(id) `id`\n é'
    const more = { cwd: '/usr', envs: { OF_RUN: value, OF_SANDBOX: 'other' } }
    const show = 'import os; (os.getcwd(), os.environ.get("OF_RUN"), os.environ["OF_SANDBOX"])'
    const before = "('/home/user', None, 'box')"
    const during = await run(`${show} == ('/usr', ${JSON.stringify(value)}, 'other')`, more)
    expect(during).toMatchObject({ text: 'True', logs: { stdout: [], stderr: [] }, error: null })
    expect((await run(show)).text).toBe(before)
    expect((await run('1 / 0', more)).error?.name).toBe('ZeroDivisionError')
    expect((await run(show)).text).toBe(before)
    const late = await run('import time\nfor _ in range(600): time.sleep(0.1)', { ...more, timeout: 1 })
    expect(late).toMatchObject({ error: { name: 'TimeoutError' }, state_lost: false })
    expect((await run(show)).text).toBe(before)
  })

  test('much output arrives whole', async () => {
    const answer = await run('for _ in range(200): print("x" * 49_999)', { output_limit_bytes: 16 * 1024 * 1024 })
    const bytes = answer.logs.stdout.reduce((sum, { line }) => sum + line.length, 0)
    expect(bytes).toBe(10_000_000)
  })

  test('a kernel that dies ends its run, and the next gets another', async () => {
    await run('gone = 1')
    const died = await run('import os, signal; os.kill(os.getpid(), signal.SIGKILL)')
    expect(died).toMatchObject({ reason: 'signaled', signal: 'SIGKILL', state_lost: true, error: expect.anything() })
    expect((await run('gone')).error?.name).toBe('NameError')
  })

  test('what it used is measured', async () => {
    const { usage } = await run('sum(i * i for i in range(3_000_000))')
    expect(usage.cpu_seconds).toBeGreaterThan(0.05)
    expect(usage.peak_memory_bytes).toBeGreaterThan(30_000_000)
  })

  test('contexts of their own are made, restarted, interrupted and deleted', async () => {
    const path = `/sandboxes/${box.id}/contexts`
    const made = await live.api.json<Context>('POST', path, { language, envs: { MINE: 'yes' }, cwd: '/tmp' })
    expect(made).toMatchObject({ language, version: expect.stringMatching(/^3\./), state: 'idle' })
    const within = (code: string) => live.api.code(box.id, code, { context_id: made.context_id })
    expect(await within('import os; y = 1; (os.environ["MINE"], os.getcwd())')).toMatchObject({
      text: "('yes', '/tmp')",
    })
    const sleeping = within('import time; time.sleep(60)')
    await waitFor(
      'the run',
      async () => (await live.api.json<Context>('GET', `${path}/${made.context_id}`)).state === 'busy',
    )
    await live.api.json('POST', `${path}/${made.context_id}/interrupt`)
    expect((await sleeping).error?.name).toBe('KeyboardInterrupt')
    expect((await within('y')).text).toBe('1')
    await live.api.json('POST', `${path}/${made.context_id}/restart`)
    expect((await within('y')).error?.name).toBe('NameError')
    await live.api.json('DELETE', `${path}/${made.context_id}`)
    expect(await live.api.output(box.id, 'ls -d /tmp/kernel-* 2>/dev/null || true')).toBe('')
  })
})

describe('an image with kernels', () => {
  const live = useServer()
  const box = useSandbox(live, { template: KERNEL_IMAGE })

  test('lists them behind the languages that the server knows', async () => {
    const { languages } = await live.api.json<LanguageList>('GET', `/sandboxes/${box.id}/languages`)
    expect(languages.find(({ name }) => name === 'python')).toMatchObject({ stateful: true, kernel: null })
    expect(languages).toContainEqual({
      name: 'unheard-of',
      aliases: [],
      stateful: true,
      program: 'python3',
      version: null,
      kernel: 'unheard-of',
    })
  })

  test('one of a language without a way to set them refuses cwd and envs of one run', async () => {
    for (const more of [{ envs: { A: '1' } }, { cwd: '/tmp' }])
      expect((await live.api.code(box.id, '1', { language: 'unheard-of', ...more })).error).toMatchObject({
        name: 'NotSupported',
        value: expect.stringContaining('context'),
      })
  })

  test('one that can not start says why', async () => {
    expect(
      await live.api.refused('POST', `/sandboxes/${box.id}/code`, { code: '1', language: 'broken' }),
    ).toMatchObject({
      status: 400,
      code: 'LANGUAGE_UNAVAILABLE',
      detail: expect.stringContaining('ended while it started'),
    })
  })

  test('a kernel of the user comes with its files', async () => {
    const spec = { argv: ['python3', '-m', 'ipykernel_launcher', '-f', '{connection_file}'], language: 'homemade' }
    const path = '.local/share/jupyter/kernels/mine/kernel.json'
    expect(
      await live.api.refused('POST', `/sandboxes/${box.id}/code`, { code: '1', language: 'homemade' }),
    ).toMatchObject({
      code: 'LANGUAGE_UNAVAILABLE',
    })
    await live.api.write(box.id, path, JSON.stringify(spec))
    expect(await live.api.code(box.id, '6 * 7', { language: 'homemade' })).toMatchObject({
      text: '42',
      language: 'mine',
    })
  })
})

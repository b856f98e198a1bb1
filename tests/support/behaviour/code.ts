import { describe, expect, test } from 'vitest'
import { type Live, useSandbox } from '../live.ts'

const HELLO = {
  python: 'import sys\nprint("out")\nprint("err", file=sys.stderr)',
  javascript: 'console.log("out"); console.error("err")',
  bash: 'echo out; [[ -n $BASH_VERSION ]] && echo err >&2',
  sh: 'echo out; echo err >&2',
}

/** Code that every engine can run: what this machine and the base image both have. */
export function describeCode(live: Live): void {
  const box = useSandbox(live)
  const run = (code: string, more: object = {}) => live.api.code(box.id, code, more)

  test.each(Object.entries(HELLO))('%s runs and logs both streams', async (language, code) => {
    const before = Date.now() / 1000
    const answer = await run(code, { language })
    expect(answer).toMatchObject({
      logs: { stdout: [{ line: 'out\n', error: false }], stderr: [{ line: 'err\n', error: true }] },
      error: null,
      text: null,
      results: [],
      language,
      exit_code: 0,
      reason: 'exited',
      truncated: false,
    })
    expect(Date.parse(answer.finished_at)).toBeGreaterThanOrEqual(Date.parse(answer.created_at))
    for (const { timestamp } of [...answer.logs.stdout, ...answer.logs.stderr]) {
      expect(timestamp).toBeGreaterThan(before - 1)
      expect(timestamp).toBeLessThan(Date.now() / 1000 + 1)
    }
  })

  test('python is the default, and names of languages may be written in any way', async () => {
    expect(await run('print(1)')).toMatchObject({ language: 'python' })
    expect(await run('console.log(1)', { language: ' JavaScript ' })).toMatchObject({
      language: 'javascript',
      error: null,
    })
    expect(await run('console.log(1)', { language: 'js' })).toMatchObject({ language: 'javascript', error: null })
  })

  test('lines come in order with the time they were written', async () => {
    const { logs } = await run(
      'import time\nfor n in range(3):\n    print(n)\n    time.sleep(0.1)\nprint("no end", end="")',
    )
    expect(logs.stdout.map(({ line }) => line)).toEqual(['0\n', '1\n', '2\n', 'no end'])
    const [first = 0, second = 0, third = 0] = logs.stdout.map(({ timestamp }) => timestamp)
    expect(second - first).toBeGreaterThan(0.08)
    expect(third - second).toBeGreaterThan(0.08)
  })

  describe('an error', () => {
    test('of python has name, value and traceback, and what was printed before it', async () => {
      const answer = await run('print("before")\ndef f():\n    return 1 / 0\nf()')
      expect(answer).toMatchObject({
        logs: { stdout: [{ line: 'before\n' }] },
        error: { name: 'ZeroDivisionError', value: 'division by zero' },
        exit_code: 1,
      })
      const traceback = answer.error?.traceback?.join('\n') ?? ''
      expect(traceback).toMatch(/^Traceback \(most recent call last\):/)
      expect(traceback).toMatch(/<cell \d+>", line 3, in f/)
      expect(traceback).toContain('return 1 / 0')
    })

    test('of syntax is one too', async () => {
      expect((await run('print(1')).error).toMatchObject({
        name: 'SyntaxError',
        value: expect.stringContaining('never closed'),
      })
      expect((await run('let a = ;', { language: 'js' })).error).toMatchObject({ name: 'SyntaxError' })
    })

    test('of javascript has name, value and traceback', async () => {
      const { error } = await run('function f() { throw new TypeError("bad") }\nf()', { language: 'javascript' })
      expect(error).toMatchObject({ name: 'TypeError', value: 'bad' })
      expect(error?.traceback?.join('\n')).toMatch(/at f \(/)
    })

    test('of a thrown text has the text', async () => {
      expect((await run('throw "just text"', { language: 'js' })).error).toMatchObject({
        value: expect.stringContaining('just text'),
      })
    })

    test('of bash is its exit code', async () => {
      expect(await run('echo broken >&2; exit 7', { language: 'bash' })).toMatchObject({
        exit_code: 7,
        error: { name: 'ExitError', value: 'exit status 7', traceback: null },
        logs: { stderr: [{ line: 'broken\n' }] },
      })
    })

    test('of a program that is run as a file is its last line and exit code', async () => {
      expect(await run('echo broken >&2; exit 7', { language: 'sh' })).toMatchObject({
        exit_code: 7,
        error: { name: 'ExitError', value: 'broken', traceback: null },
        context_id: null,
      })
    })

    test('of an exit code alone is told as well', async () => {
      expect(await run('import sys; sys.exit(3)')).toMatchObject({
        exit_code: 3,
        error: { name: 'SystemExit', value: expect.stringContaining('3') },
        state_lost: false,
      })
    })
  })

  test('the time limit ends it with TimeoutError and what was printed until then', async () => {
    const answer = await run('print("before", flush=True)\nwhile True: pass', { timeout: 0.7 })
    expect(answer).toMatchObject({
      logs: { stdout: [{ line: 'before\n' }] },
      error: { name: 'TimeoutError', value: expect.stringContaining('0.7') },
      reason: 'timeout',
      exit_code: 124,
    })
  })

  test('cwd, envs and text of any language reach it', async () => {
    const answer = await run('import os\nprint(os.getcwd(), os.environ["NAME"], "🙂")', {
      cwd: '/usr',
      envs: { NAME: 'grüße "x"' },
    })
    expect(answer.logs.stdout[0]?.line).toBe('/usr grüße "x" 🙂\n')
    const script = await run('console.log(process.cwd(), process.env.NAME)', {
      language: 'js',
      cwd: '/usr',
      envs: { NAME: 'é' },
    })
    expect(script.logs.stdout[0]?.line).toBe('/usr é\n')
  })

  test('modules in the working folder are found', async () => {
    await live.api.write(box.id, 'mymodule.py', 'VALUE = 42')
    await live.api.write(box.id, 'mymodule.js', 'module.exports = 43')
    expect((await run('import mymodule\nprint(mymodule.VALUE)')).logs.stdout[0]?.line).toBe('42\n')
    expect((await run('console.log(require("./mymodule.js"))', { language: 'js' })).logs.stdout[0]?.line).toBe('43\n')
  })

  test('nothing of a run stays behind', async () => {
    const listing = 'find /tmp /var/tmp /dev/shm . -newer marker -name "main.*" 2>/dev/null; :'
    await live.api.output(box.id, 'touch marker')
    await run('print(1)')
    expect(await live.api.output(box.id, listing)).toBe('')
  })

  test('no code is no output', async () => {
    expect(await run('')).toMatchObject({ logs: { stdout: [], stderr: [] }, error: null, exit_code: 0 })
  })

  test('much output loses its middle and says so', async () => {
    const answer = await run('for n in range(100000): print("line", n)', { output_limit_bytes: 10_000 })
    const lines = answer.logs.stdout.map(({ line }) => line)
    expect(answer.truncated).toBe(true)
    expect(lines[0]).toBe('line 0\n')
    expect(lines.at(-1)).toBe('line 99999\n')
    expect(lines.length).toBeLessThan(200)
    expect(lines.some((line) => /\[\.\.\. \d+ lines left out \.\.\.\]/.test(line))).toBe(true)
  })

  test('state lives on from run to run, in each language', async () => {
    for (const [language, set, use] of [
      ['python', 'import math\nx = 41', 'print(x + 1, math.pi > 3)'],
      ['javascript', 'const x = 41; const path = require("path")', 'console.log(x + 1, path.sep === "/")'],
      ['bash', 'x=41; f() { echo $((x + 1)) true; }', 'f'],
    ] as const) {
      expect(await run(set, { language })).toMatchObject({ error: null, context_id: `default-${language}` })
      const answer = await run(use, { language })
      expect(answer.logs.stdout[0]?.line).toMatch(/^42 true/i)
    }
  })

  test('the value of the last expression is the main result', async () => {
    expect(await run('40 + 2')).toMatchObject({
      text: '42',
      results: [{ type: 'text/plain', value: '42', text: '42', is_main_result: true, raw: { 'text/plain': '42' } }],
    })
    expect(await run('x = 5')).toMatchObject({ text: null, results: [] })
    expect(await run('[1, 2].map((n) => n * 2)', { language: 'js' })).toMatchObject({ text: '[ 2, 4 ]' })
  })

  test('an unknown language is refused with those there are', async () => {
    expect(await live.api.refused('POST', `/sandboxes/${box.id}/code`, { code: '1', language: 'cobol' })).toMatchObject(
      {
        status: 400,
        code: 'LANGUAGE_UNAVAILABLE',
        detail: expect.stringMatching(/cobol.*python/),
      },
    )
  })

  test('a program of many megabytes runs', async () => {
    const code = `text = """${'x'.repeat(4 * 1024 * 1024)}"""\nprint(len(text))`
    expect((await run(code)).logs.stdout[0]?.line).toBe(`${4 * 1024 * 1024}\n`)
  })
}

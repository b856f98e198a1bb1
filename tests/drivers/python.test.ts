/** The Python driver by what its users notice. `PYTHON` names the interpreter; suites of libraries run where it has them. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Driver, type DriverOptions, type Result, startDriver } from './driver.ts'

const program = execFileSync(process.env.PYTHON ?? 'python3', ['-c', 'import sys; print(sys.executable)'], {
  encoding: 'utf8',
}).trim()
const version = tryPython('import sys; print(sys.version_info[1])')

function tryPython(code: string): string | undefined {
  try {
    return execFileSync(program, ['-c', code], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}

function has(...modules: string[]): boolean {
  return tryPython(`import ${modules.join(', ')}`) !== undefined
}

const start = (options: DriverOptions = {}): Promise<Driver> => startDriver('python', { program, ...options })

let folder: string
let driver: Driver

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'k2-python-')))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** One driver for a suite whose cells leave nothing that matters to the next. */
function useDriver(options: DriverOptions = {}): void {
  beforeAll(async () => {
    driver = await start({ cwd: folder, ...options })
  })
  afterAll(() => driver.close())
}

/** The text of the main display. */
async function value(code: string): Promise<unknown> {
  const result = await driver.run(code)
  expect(result.error).toBeUndefined()
  return result.displays.find((display) => display.main)?.data['text/plain']
}

const printed = async (code: string): Promise<string> => (await driver.run(code)).stdout
const errorOf = async (code: string) => (await driver.run(code)).error
const traceOf = (result: Result): string => (result.error?.traceback ?? []).join('\n')

describe('values', () => {
  useDriver()

  test.each([
    ['an expression', '1 + 1', '2'],
    ['None', 'None', undefined],
    ['an assignment', 'x = 5', undefined],
    ['a trailing semicolon', '1 + 1;', undefined],
    ['a semicolon after brackets', '(1 + 1) ;  # so', undefined],
    ['a semicolon in a comment', '1 + 1  # a; b', '2'],
    ['a semicolon in a text', '"a;"', "'a;'"],
    ['nothing', '', undefined],
    ['only a comment', '# nothing', undefined],
    ['a statement before', 'y = 3\ny * 2', '6'],
    ['an expression over lines', '[1,\n 2]', '[1, 2]'],
    ['a dict that needs lines', '{"a": list(range(3)), "b": "x" * 80}', `{'a': [0, 1, 2],\n 'b': '${'x'.repeat(80)}'}`],
    ['a list within itself', 'l = [1]; l.append(l)\nl', '[1, [...]]'],
    ['an empty set', 'set()', 'set()'],
    ['a tuple of one', '(1,)', '(1,)'],
    ['a long tuple of one', '("x" * 90,)', `('${'x'.repeat(90)}',)`],
    ['bytes', 'b"\\x00"', "b'\\x00'"],
  ])('%s', async (_, code, text) => {
    expect(await value(code)).toBe(text)
  })

  test('the last three are _, __ and ___', async () => {
    await driver.run('1')
    await driver.run('2')
    await driver.run('3')
    expect(await value('(_, __, ___)')).toBe('(3, 2, 1)')
  })

  test('a `_` of the code stays', async () => {
    await driver.run('_ = "mine"')
    await driver.run('4')
    expect(await value('_')).toBe("'mine'")
  })

  test('a long list is cut at 1000 items', async () => {
    const text = (await value('list(range(10_000_000))')) as string
    expect(text.split('\n')).toHaveLength(1001)
    expect(text.endsWith('...]')).toBe(true)
  })

  test('a huge text is cut quickly', async () => {
    const began = performance.now()
    const text = (await value('"x" * 300_000_000')) as string
    expect(text).toMatch(/… \d+ bytes left out$/)
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  test('a repr that fails is shown as such and does not fail the cell', async () => {
    expect(await value('class Bad:\n  def __repr__(self): return 1 / 0\nBad()')).toMatch(
      /^\[?<Bad object, whose repr failed: ZeroDivisionError>/,
    )
    expect(await value('[Bad()]')).toMatch(/^\[?<Bad object, whose repr failed: ZeroDivisionError>/)
  })
})

describe('state', () => {
  useDriver()

  test('names last, and functions see later globals', async () => {
    await driver.run('def f(): return later')
    await driver.run('later = 7')
    expect(await value('f()')).toBe('7')
  })

  test('the namespace is __main__', async () => {
    expect(await value('__name__, __import__("sys").modules["__main__"].__dict__ is globals()')).toBe(
      "('__main__', True)",
    )
  })

  test('nothing of the driver is in it', async () => {
    await using fresh = await start()
    expect((await fresh.run('print([name for name in dir() if not name.startswith("__")])')).stdout).toBe('[]\n')
    expect((await fresh.run('import sys\nprint(sys.argv, sys.path[0] == "")')).stdout).toBe("[''] True\n")
  })

  test('classes of a cell pickle, data classes work, sources are found', async () => {
    await driver.run(
      'import dataclasses, pickle, inspect\n@dataclasses.dataclass\nclass Point:\n  x: int\n  y: int = 2\n',
    )
    expect(await value('pickle.loads(pickle.dumps(Point(1)))')).toBe('Point(x=1, y=2)')
    await driver.run('def g():\n  return 1')
    expect(await value('inspect.getsource(g)')).toBe("'def g():\\n  return 1\\n'")
  })

  test('processes of multiprocessing run functions of a cell', async () => {
    await driver.run('import multiprocessing as m\ndef square(x): return x * x')
    expect(await printed('with m.get_context("fork").Pool(2) as pool: print(pool.map(square, [1, 2, 3]))')).toBe(
      '[1, 4, 9]\n',
    )
  })

  test('a future import holds for later cells', async () => {
    await using fresh = await start()
    await fresh.run('from __future__ import annotations')
    expect((await fresh.run('def f(x: nowhere): pass\nprint(f.__annotations__)')).stdout).toBe("{'x': 'nowhere'}\n")
  })

  test('top-level await, with one loop for all cells', async () => {
    expect(await value('import asyncio\nawait asyncio.sleep(0, 5)')).toBe('5')
    await driver.run('async def later_on():\n  await asyncio.sleep(0)\n  return 6\ntask = None')
    await driver.run('task = asyncio.ensure_future(later_on())\nawait asyncio.sleep(0)')
    expect(await value('await task')).toBe('6')
    expect(await printed('async def agen():\n  yield 1\nasync for x in agen(): print(x)')).toBe('1\n')
    expect(await printed('print(asyncio.run(later_on()))')).toBe('6\n')
    expect(await value('await asyncio.sleep(0, 8)')).toBe('8')
  })
})

describe('errors', () => {
  useDriver()

  test('a traceback has the lines of the cells and no frame of the driver', async () => {
    await driver.run('def divide(a, b):\n    return a / b')
    const result = await driver.run('x = 1\ndivide(x, 0)')
    expect(result).toMatchObject({ exitCode: 1, error: { name: 'ZeroDivisionError', value: 'division by zero' } })
    const trace = traceOf(result)
    expect(trace).toMatch(
      /^Traceback \(most recent call last\):\n {2}File "<cell \d+>", line 2, in <module>\n {4}divide\(x, 0\)/,
    )
    expect(trace).toMatch(/line 2, in divide\n {4}return a \/ b/)
    expect(trace).not.toContain('k2')
    expect(trace.endsWith('\nZeroDivisionError: division by zero')).toBe(true)
  })

  test('a syntax error has a caret and no traceback of frames', async () => {
    const trace = traceOf(await driver.run('x = 1\nif x\n  y'))
    expect(trace).toMatch(/^ {2}File "<cell \d+>", line 2\n {4}if x\n +\^\nSyntaxError: /)
  })

  test('causes and contexts are shown without frames of the driver', async () => {
    const trace = traceOf(await driver.run('try:\n  1 / 0\nexcept Exception as e:\n  raise ValueError("v") from e'))
    expect(trace).toContain('ZeroDivisionError: division by zero\n\nThe above exception was the direct cause')
    expect(trace).toContain('ValueError: v')
    expect(trace).not.toContain('k2')
  })

  test.skipIf(Number(version) < 11)('groups are shown (from Python 3.11 on)', async () => {
    const trace = traceOf(await driver.run('raise ExceptionGroup("g", [ValueError("a"), KeyError("b")])'))
    expect(trace).toContain('ExceptionGroup: g (2 sub-exceptions)')
    expect(trace).toContain('KeyError')
  })

  test.each([
    ['deep recursion', 'def r(): r()\nr()', 'RecursionError'],
    ['no memory', 'x = bytearray(1 << 60)', 'MemoryError'],
    ['an error whose text fails', 'class E(Exception):\n  def __str__(self): return 1 / 0\nraise E()', 'E'],
    ['a BaseException', 'class B(BaseException): pass\nraise B("x")', 'B'],
    ['text that is not Unicode', 'raise ValueError("\\udcff")', 'ValueError'],
    ['null bytes in the code', 'x = 1\0', expect.stringMatching(/^(Value|Syntax)Error$/)],
    ['code nested too deep', `${'('.repeat(300)}${')'.repeat(300)}`, expect.stringMatching(/Error$/)],
  ])('%s is an error like others, and the context goes on', async (_, code, name) => {
    expect(await errorOf(code)).toMatchObject({ name })
    expect(await value('1 + 1')).toBe('2')
  })

  test('reading standard input fails at once and says what to do', async () => {
    for (const code of [
      'input("name? ")',
      'import sys; sys.stdin.read()',
      'sys.stdin.buffer.read(1)',
      'next(sys.stdin)',
    ]) {
      expect(await errorOf(code)).toMatchObject({ name: 'EOFError', value: expect.stringContaining('pass the value') })
    }
  })
})

describe('exits', () => {
  useDriver()

  test.each([
    ['exit()', 0, undefined],
    ['quit(0)', 0, undefined],
    ['import sys; sys.exit(3)', 3, '3'],
    ['sys.exit(256 + 7)', 7, '263'],
    ['sys.exit(-1)', 255, '-1'],
    ['raise SystemExit', 0, undefined],
    ['sys.exit("no luck")', 1, 'no luck'],
    ['import asyncio\nawait asyncio.sleep(0)\nsys.exit(4)', 4, '4'],
  ])('%s ends the run with %i', async (code, exitCode, error) => {
    await driver.run('kept = 1')
    const result = await driver.run(code)
    expect(result.exitCode).toBe(exitCode)
    expect(result.error?.name).toBe(error === undefined ? undefined : 'SystemExit')
    expect(result.error?.value).toBe(error)
    expect(await value('kept')).toBe('1')
  })

  test('a text goes to stderr', async () => {
    expect((await driver.run('raise SystemExit("no luck")')).stderr).toBe('no luck\n')
  })

  test('exit handlers run when the requests end', async () => {
    const path = join(folder, 'atexit')
    const ending = await start()
    await ending.run(`import atexit\natexit.register(lambda: open(${JSON.stringify(path)}, "w").write("done"))`)
    expect(await ending.close()).toEqual({ code: 0, signal: null })
    expect(readFileSync(path, 'utf8')).toBe('done')
  })

  test.each([
    ['a handler', 'import atexit, time; atexit.register(time.sleep, 60)'],
    ['a thread', 'import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()'],
  ])('%s that does not end holds the driver for 2 s only', async (_, code) => {
    const ending = await start()
    await ending.run(code)
    const began = performance.now()
    await ending.close()
    expect(performance.now() - began).toBeLessThan(4_500)
  })

  test('a driver whose events nobody reads ends', async () => {
    await using lost = await start()
    lost.closeEvents()
    lost.start('1')
    expect(await lost.exited).toEqual({ code: 0, signal: null })
  })

  test.each(['import os; os.close(4)', 'import os; os.closerange(3, 100)', 'import os; os.close(3)'])(
    '%s ends the driver',
    async (code) => {
      await using broken = await start()
      broken.start(code)
      expect((await broken.exited).signal).toBeNull()
    },
  )
})

describe('output', () => {
  useDriver()

  test('text of both streams, of C and of programs comes whole and in order', async () => {
    const code = [
      'import os, subprocess, sys',
      'print("one")',
      'os.system("echo two")',
      'print("three", flush=False)',
      'subprocess.run(["echo", "four"])',
      'print("five")',
      'os.write(1, b"")',
      'sys.stderr.write("err\\n")',
    ].join('\n')
    expect(await driver.run(code)).toMatchObject({ stdout: 'one\ntwo\nthree\nfour\nfive\n', stderr: 'err\n' })
  })

  test('what is printed before a display comes before it', async () => {
    const { order } = await driver.run('print("a")\ndisplay(1)\nprint("b")\ndisplay(2)\nprint("c")\n3')
    const seen = order.map((item) => ('display' in item ? item.display.data['text/plain'] : Object.values(item)[0]))
    expect(seen).toEqual(['a\n', '1', 'b\n', '2', 'c\n', '3'])
  })

  test.each(['print("now")', 'print("now", end="")', 'import sys; sys.stderr.write("now")'])(
    '%s is seen while the cell runs',
    async (code) => {
      const run = driver.start(`${code}\nimport time; time.sleep(60)`)
      await run.printed('now')
      driver.interrupt()
      expect((await run.result).error?.name).toBe('KeyboardInterrupt')
    },
  )

  test('a million lines take about a second', async () => {
    const began = performance.now()
    const { stdout } = await driver.run('for i in range(1_000_000): print(i)')
    expect(stdout).toHaveLength(6_888_890)
    expect(performance.now() - began).toBeLessThan(8_000)
  })

  test('what C prints comes as well', async () => {
    await driver.run('import ctypes; libc = ctypes.CDLL(None)')
    const { order } = await driver.run('libc.printf(b"from C"); display(1); libc.puts(b"line");')
    expect(order).toMatchObject([{ stdout: 'from C' }, { display: {} }, { stdout: 'line\n' }])
  })

  test('characters beyond ASCII, and what is no Unicode', async () => {
    expect(await printed('print("é€😀", "\\udc80")')).toBe('é€😀 \\udc80\n')
  })

  test('redirect_stdout and a replaced sys.stdout work', async () => {
    const code =
      'import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as text: print("x")\ntext.getvalue()'
    expect(await value(code)).toBe("'x\\n'")
    expect(
      await printed('import sys\nold = sys.stdout; sys.stdout = io.StringIO(); print("y")\nsys.stdout = old'),
    ).toBe('')
    expect(await printed('print("z")')).toBe('z\n')
  })

  test('a closed or lost sys.stdout is there again in the next run', async () => {
    await driver.run('import sys; sys.stdout.close()')
    expect(await printed('print("again")')).toBe('again\n')
    await driver.run('sys.stdout.detach()')
    expect(await printed('print("again")')).toBe('again\n')
    await driver.run('del sys.stdout')
    expect(await printed('print("again")')).toBe('again\n')
  })

  test('sys.stdout is a text stream like any', async () => {
    const code =
      'import sys\n[sys.stdout.fileno(), sys.stdout.encoding, sys.stdout.name, sys.stdout.isatty(), hasattr(sys.stdout, "buffer")]'
    expect(await value(code)).toBe("[1, 'utf-8', '<stdout>', False, True]")
  })

  test('a thread prints during the run and after it', async () => {
    const run = driver.start(
      'import threading\ngo = threading.Event()\nthreading.Thread(target=lambda: (print("in"), go.wait(), print("after"))).start()',
    )
    expect((await run.result).stdout).toBe('in\n')
    expect(await printed('go.set(); threading.active_count(); import time; time.sleep(0.1)')).toBe('after\n')
  })
})

describe('displays', () => {
  useDriver()

  test('every form that a value has', async () => {
    const code = [
      'class Rich:',
      '  def _repr_html_(self): return "<b>"',
      '  def _repr_markdown_(self): return "**"',
      '  def _repr_png_(self): return b"\\x89PNG"',
      '  def _repr_json_(self): return {"a": [1, float("nan")]}',
      '  def _repr_latex_(self): raise ValueError',
      '  def _repr_svg_(self): return None',
      '  def _repr_mimebundle_(self, include, exclude): return {"application/x": "y"}, {}',
      '  def __repr__(self): return "rich"',
      'Rich()',
    ].join('\n')
    const { displays, error } = await driver.run(code)
    expect(error).toBeUndefined()
    expect(displays[0]?.data).toEqual({
      'text/plain': 'rich',
      'text/html': '<b>',
      'text/markdown': '**',
      'image/png': 'iVBORw==',
      'application/json': { a: [1, null] },
      'application/x': 'y',
    })
  })

  test('a value that displays itself', async () => {
    const code = 'class Own:\n  def _ipython_display_(self): print("own")\nOwn()'
    expect(await driver.run(code)).toMatchObject({ stdout: 'own\n', displays: [] })
  })

  test('an object that has every name is shown as text', async () => {
    const code = 'from unittest.mock import MagicMock\nMagicMock(name="m")'
    const { displays } = await driver.run(code)
    expect(Object.keys(displays[0]!.data)).toEqual(['text/plain'])
  })

  test('the classes of IPython.display', async () => {
    const code =
      'from IPython.display import display, HTML, Markdown, Image, JSON, SVG, Latex, Math, Javascript, Pretty, clear_output'
    expect((await driver.run(code)).error).toBeUndefined()
    const { displays } = await driver.run(
      'for x in [HTML("<b>"), Markdown("*"), Image(data=b"\\x89PNG"), JSON({"a": 1}), SVG("<svg/>"), Latex("$"), Javascript("1")]: display(x)',
    )
    expect(displays.map((display) => Object.keys(display.data).find((mime) => mime !== 'text/plain'))).toEqual([
      'text/html',
      'text/markdown',
      'image/png',
      'application/json',
      'image/svg+xml',
      'text/latex',
      'application/javascript',
    ])
  })

  test('a display with a name can be replaced', async () => {
    const { displays } = await driver.run('handle = display(1, display_id=True)\nhandle.update(2)')
    expect(displays).toMatchObject([
      { update: false, data: { 'text/plain': '1' } },
      { update: true, data: { 'text/plain': '2' } },
    ])
    expect(displays[0]?.display_id).toBe(displays[1]?.display_id)
  })

  test('forms that are too large are left out, text is cut', async () => {
    await driver.run(
      'class Big:\n  def _repr_html_(self): return "h" * 50_000\n  def _repr_markdown_(self): return "m"\n  def __repr__(self): return "t" * 20_000',
    )
    const [display] = (await driver.run('Big()', { displayBytes: 2_000 })).displays
    expect(display?.truncated).toEqual(['text/html', 'text/plain'])
    expect(display?.data['text/markdown']).toBe('m')
    expect(display?.data['text/plain']).toMatch(/^t+\n… \d+ bytes left out$/)
    expect(JSON.stringify(display?.data).length).toBeLessThanOrEqual(2_000)
  })

  test('a thread that displays between two runs is shown in the next', async () => {
    await driver.run(
      'import threading, os\nr, w = os.pipe()\ngo = threading.Event()\ndef late():\n  go.wait()\n  display("late")\n  os.write(w, b"x")\nthreading.Thread(target=late).start()\nthreading.Timer(0.05, go.set).start()',
    )
    const { displays } = await driver.run('os.read(r, 1)')
    expect(displays.map((display) => display.data['text/plain'])).toContain("'late'")
  })
})

describe('interrupts', () => {
  useDriver()

  test.each([
    ['a loop', 'while True: pass'],
    ['a sleep', 'import time; time.sleep(60)'],
    ['an await', 'import asyncio; await asyncio.sleep(60)'],
    ['a loop in an await', 'async def f():\n  while True: pass\nawait f()'],
    ['a program', 'import subprocess; subprocess.run(["sleep", "60"])'],
    ['a lock', 'import threading; l = threading.Lock(); l.acquire(); l.acquire()'],
    ['a repr', 'class Slow:\n  def __repr__(self):\n    while True: pass\nSlow()'],
    ['the text of an error', 'class E(Exception):\n  def __str__(self):\n    while True: pass\nraise E()'],
    ['printing', 'while True: print("x" * 1000)'],
    ['displaying', 'while True: display(1)'],
  ])('%s ends, and the state is kept', async (_, code) => {
    await driver.run('kept = 5')
    const run = driver.start(`print("go", flush=True)\n${code}`)
    await run.printed('go')
    driver.interrupt()
    // The text of an error is only being made when the code is over: then its name is all that is left.
    const { error, exitCode } = await run.result
    expect(['KeyboardInterrupt', 'E']).toContain(error?.name)
    expect(exitCode).toBe(1)
    expect(await value('kept')).toBe('5')
  })

  test('the cell may catch it and go on', async () => {
    const run = driver.start(
      'import time\ntry:\n  print("go", flush=True)\n  time.sleep(60)\nexcept KeyboardInterrupt: print("caught")',
    )
    await run.printed('go')
    driver.interrupt()
    expect(await run.result).toMatchObject({ stdout: 'go\ncaught\n', exitCode: 0 })
  })

  test('the `finally` of a cancelled await runs', async () => {
    const run = driver.start(
      'import asyncio\nasync def f():\n  try:\n    print("go", flush=True)\n    await asyncio.sleep(60)\n  finally:\n    await asyncio.sleep(0)\n    print("cleaned")\nawait f()',
    )
    await run.printed('go')
    driver.interrupt()
    expect(await run.result).toMatchObject({ stdout: 'go\ncleaned\n', error: { name: 'KeyboardInterrupt' } })
  })

  test('between runs it does nothing', async () => {
    driver.interrupt()
    expect(await value('kept')).toBe('5')
  })

  test('none is lost in a loop of events that never rests', async () => {
    await driver.run('import asyncio\nasync def spin():\n  while True: await asyncio.sleep(0)')
    for (let round = 0; round < 20; round += 1) {
      const run = driver.start('await spin()')
      await run.started
      await new Promise((resolve) => setTimeout(resolve, round % 7))
      driver.interrupt()
      expect((await run.result).error?.name).toBe('KeyboardInterrupt')
    }
  })

  test('a storm of them never breaks the driver', async () => {
    for (let round = 0; round < 40; round += 1) {
      const run = driver.start(`display(${round})\nprint("x")\nsum(range(${round * 3000}))`)
      await run.started
      driver.interrupt()
      driver.interrupt()
      const { error } = await run.result
      expect([undefined, 'KeyboardInterrupt']).toContain(error?.name)
      driver.interrupt()
    }
    expect(await value('kept')).toBe('5')
  })
})

describe('place', () => {
  useDriver({ env: { KEPT: 'before' } })

  test('environment and folder of a run are put back, also after an error', async () => {
    const code = 'import os\nprint(os.environ["KEPT"], os.environ["NEW"], os.getcwd())\n1 / 0'
    const result = await driver.run(code, { env: { KEPT: 'during', NEW: 'x' }, cwd: '/' })
    expect(result.stdout).toBe('during x /\n')
    expect(await printed('print(os.environ["KEPT"], os.environ.get("NEW"), os.getcwd())')).toBe(
      `before None ${folder}\n`,
    )
    expect(await printed('os.system("echo $KEPT")')).toBe('before\n')
  })

  test('a folder that is not there is an error, and no code runs', async () => {
    const result = await driver.run('print("ran")', { cwd: '/nowhere', env: { NEW: 'x' } })
    expect(result).toMatchObject({ stdout: '', exitCode: 1, error: { name: 'FileNotFoundError' } })
    expect(await printed('import os\nprint(os.environ.get("NEW"))')).toBe('None\n')
  })

  test('without a folder a chdir stays', async () => {
    await driver.run('import os; os.chdir("/")')
    expect(await printed('print(os.getcwd())')).toBe('/\n')
  })
})

describe('hostile code', () => {
  useDriver()

  test.each([
    ['shadowed names', 'print = len = repr = str = type = None'],
    [
      'deleted builtins',
      'import builtins\nfor name in ("len", "repr", "isinstance", "type", "str", "compile", "eval"): delattr(builtins, name)',
    ],
    ['a cleared environment', 'import os; os.environ.clear()'],
    ['no modules', 'import sys; sys.modules.clear()'],
    ['another __main__', 'import sys, types; sys.modules["__main__"] = types.ModuleType("__main__")'],
  ])('%s', async (_, code) => {
    await using hostile = await start()
    await hostile.run(code)
    const { displays } = await hostile.run('display([1])\n[1, "a"]')
    expect(displays.map((display) => display.data['text/plain'])).toEqual(['[1]', "[1, 'a']"])
    expect((await hostile.run('1 / 0')).error?.name).toBe('ZeroDivisionError')
  })

  test('files named like modules of the standard library', async () => {
    // From Python 3.13 on the interpreter itself imports linecache before it runs anything that was given to it.
    const names = ['json', 'traceback', 'ast', 'asyncio', '_json', ...(Number(version) < 13 ? ['linecache'] : [])]
    for (const name of names) {
      writeFileSync(join(folder, `${name}.py`), 'raise RuntimeError("not this one")\n')
    }
    await using shadowed = await start({ cwd: folder })
    expect((await shadowed.run('1 / 0')).error?.traceback?.[0]).toBe('Traceback (most recent call last):')
    expect((await shadowed.run('async def f(): return 3\nawait f()')).displays[0]?.data['text/plain']).toBe('3')
    for (const name of names) rmSync(join(folder, `${name}.py`))
  })

  test('a forked child does not speak for the context, and ends where the cell does', async () => {
    const code =
      'import os\npid = os.fork()\nif pid: print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if hasattr(os, "waitstatus_to_exitcode") else os.waitpid(pid, 0)[1] >> 8)\nelse: print("child", flush=True)'
    expect(await driver.run(code)).toMatchObject({ stdout: 'child\nstatus 0\n', error: undefined, displays: [] })
    const failing = await driver.run('pid = os.fork()\nif not pid: 1 / 0\nprint(os.waitpid(pid, 0)[1] >> 8)')
    expect(failing).toMatchObject({
      stdout: '1\n',
      stderr: expect.stringContaining('ZeroDivisionError'),
      error: undefined,
    })
    const exiting = await driver.run(
      'pid = os.fork()\nif not pid:\n  display(1)\n  raise SystemExit(5)\nprint(os.waitpid(pid, 0)[1] >> 8)',
    )
    expect(exiting).toMatchObject({ stdout: '1\n5\n', displays: [] })
  })

  test('its own SIGINT handler holds until the run ends', async () => {
    const run = driver.start(
      'import signal, time\nseen = []\nsignal.signal(signal.SIGINT, lambda *a: seen.append(1))\nprint("go", flush=True)\ntime.sleep(0.2)\nprint(seen)',
    )
    await run.printed('go')
    driver.interrupt()
    expect((await run.result).stdout).toBe('go\n[1]\n')
    const next = driver.start('print("go", flush=True)\ntime.sleep(60)')
    await next.printed('go')
    driver.interrupt()
    expect((await next.result).error?.name).toBe('KeyboardInterrupt')
  })
})

describe('the rest', () => {
  useDriver()

  test('long code runs', async () => {
    expect(await value(`len("${'x'.repeat(3_000_000)}")`)).toBe('3000000')
  })

  test('emptied sys.modules are filled again for the next run', async () => {
    await using hostile = await start()
    await hostile.run('import sys; sys.modules.clear()')
    expect((await hostile.run('import json\njson.dumps([1])')).displays[0]?.data['text/plain']).toBe("'[1]'")
    expect((await hostile.run('1 / 0')).error?.traceback).toContain('    1 / 0')
  })

  test('a task made without await runs in later cells that await', async () => {
    await using fresh = await start()
    await fresh.run(
      'import asyncio\nasync def work():\n  await asyncio.sleep(0)\n  return 9\ntask = asyncio.create_task(work())',
    )
    expect((await fresh.run('await task')).displays[0]?.data['text/plain']).toBe('9')
  })

  test('a signal handler that raises between runs breaks nothing', async () => {
    await driver.run(
      'import signal\nsignal.signal(signal.SIGALRM, lambda *a: 1 / 0)\nsignal.setitimer(signal.ITIMER_REAL, 0.03)',
    )
    await expect
      .poll(() => driver.printedBetween.map((item) => Object.values(item)[0]).join(''))
      .toContain('ZeroDivision')
    expect(await value('6')).toBe('6')
  })

  test('the folder of before is found again after it was renamed', async () => {
    await driver.run('import os\nos.mkdir("one"); os.chdir("one")')
    await driver.run('os.rename(os.environ["OLD"], os.environ["OLD"] + "-2")', {
      cwd: '/',
      env: { OLD: join(folder, 'one') },
    })
    expect(await printed('print(os.getcwd())')).toBe(`${join(folder, 'one-2')}\n`)
    await driver.run('os.chdir("..")')
  })

  test('what C prints is there when the run ends, if ctypes is', async () => {
    expect(await printed('import ctypes\nctypes.CDLL(None).printf(b"from C\\n");')).toBe('from C\n')
  })

  test('an interrupt right before a call that blocks is not lost', async () => {
    for (let round = 0; round < 30; round += 1) {
      const run = driver.start(
        'import _thread, os, time\n_thread.start_new_thread(time.sleep, (0.005,))\nos.write(1, b"go")\ntime.sleep(60)',
      )
      await run.printed('go')
      driver.interrupt()
      expect((await run.result).error?.name).toBe('KeyboardInterrupt')
    }
  })

  test('an interrupt in a finalizer, whose exceptions Python throws away, is raised after it', async () => {
    const run = driver.start(
      'import os, time\nclass Late:\n  def __del__(self):\n    os.write(1, b"go")\n    time.sleep(60)\nlate = Late()\ndel late\ntime.sleep(60)',
    )
    await run.printed('go')
    driver.interrupt()
    expect((await run.result).error?.name).toBe('KeyboardInterrupt')
  })

  test('a syntax error that the parser does not find has its line', async () => {
    expect(traceOf(await driver.run('x = 1\nreturn 5'))).toMatch(/line 2\n {4}return 5\n +\^.*\nSyntaxError/)
  })

  test('a fork after many lines gives no warning of threads', async () => {
    const code =
      'import os\nfor n in range(1000): print(n)\npid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0);'
    // A driver of its own: threads that cells have left would be warned of as well.
    await using fresh = await start()
    expect((await fresh.run(code)).stderr).toBe('')
  })

  test('a last line without its end is seen while the cell runs', async () => {
    const run = driver.start('import sys, time\nsys.stdout.write("50 %")\ntime.sleep(60)')
    await run.printed('50 %')
    driver.interrupt()
    expect((await run.result).exitCode).toBe(1)
  })

  test('a run takes about as long as its code', async () => {
    await driver.run('1')
    const began = performance.now()
    for (let round = 0; round < 100; round += 1) await driver.run('x = 1')
    expect(performance.now() - began).toBeLessThan(2_000)
  })
})

describe.skipIf(has('IPython'))('magics (only where IPython is not installed)', () => {
  useDriver()

  test.each([
    ['!echo hi', 'hi\n'],
    ['x = 3\n!echo {x} $x {{x}} {no + thing} $HOME', `3 3 {x} {no + thing} ${process.env.HOME}\n`],
    ['for i in range(2):\n    !echo {i}', '0\n1\n'],
    ['!echo a \\\n  b\nprint(1)', 'a b\n1\n'],
    ['%cd /', '/\n'],
    ['%env NAME=v', 'env: NAME=v\n'],
    ['%matplotlib inline', ''],
    ['%%bash\necho a\necho $NAME', 'a\nv\n'],
    ['%%sh\necho a', 'a\n'],
    ['\n%%sh\necho a', 'a\n'],
    ['text = """\n!no\n%no\n"""\nprint(text)', '\n!no\n%no\n\n'],
    ['print("%d" % 3)\n!echo done', '3\ndone\n'],
  ])('%j', async (code, text) => {
    const result = await driver.run(code)
    expect(result.error).toBeUndefined()
    expect(result.stdout).toBe(text)
  })

  test.each([
    ['lines = !echo a; echo b\nlines', "['a', 'b']"],
    ['%env NAME', "'v'"],
    ['%time 1 + 1', '2'],
    ['%%time\ny = 4\ny + 1', '5'],
    ['where = %pwd\nwhere', "'/'"],
    ['%%capture out\nprint(1)\ndisplay(2)', undefined],
    ['out.stdout, len(out.outputs)', "('1\\n', 1)"],
  ])('%j has a value', async (code, text) => {
    expect(await value(code)).toBe(text)
  })

  test('%timeit measures', async () => {
    expect(await printed('%timeit -n 3 -r 2 1 + 1')).toMatch(/per loop \(mean ± std. dev. of 2 runs, 3 loops each\)/)
  })

  test('%%writefile writes', async () => {
    const path = join(folder, 'written')
    expect(await printed(`%%writefile ${path}\nline {x}`)).toBe(`Writing ${path}\n`)
    expect(readFileSync(path, 'utf8')).toBe('line {x}\n')
  })

  test('an unknown magic is a UsageError with its line', async () => {
    const result = await driver.run('x = 1\n%nothing here')
    expect(result.error).toMatchObject({ name: 'UsageError', value: expect.stringContaining('%nothing') })
    expect(traceOf(result)).toContain('line 2, in <module>\n    %nothing here')
  })

  test('a syntax error in a cell with magics has the right place', async () => {
    expect(traceOf(await driver.run('!true\nx = = 1'))).toContain('line 2\n    x = = 1')
  })
})

describe.skipIf(!has('IPython'))('magics (only where IPython is installed)', () => {
  useDriver()

  test('commands, magics and get_ipython are those of IPython', async () => {
    expect(await printed('!echo hi')).toBe('hi\n')
    expect(await value('lines = !echo a; echo b\nlines')).toBe("['a', 'b']")
    expect(await printed('%%bash\necho a')).toBe('a\n')
    expect(await value('%time 1 + 1')).toBe('2')
    expect(await printed('print(type(get_ipython()).__mro__[1].__name__)')).toBe('InteractiveShell\n')
    expect(await errorOf('%nothing')).toMatchObject({ name: 'UsageError' })
    expect(traceOf(await driver.run('1 / 0'))).toMatch(/^Traceback/)
  })
})

describe.skipIf(!has('pandas'))('pandas (only where it is installed)', () => {
  useDriver()

  test('a data frame has text, HTML and data', async () => {
    const { displays } = await driver.run(
      'import pandas as pd\npd.DataFrame({"n": [1, 2], "t": pd.to_datetime(["2024-01-01", None]), "f": [0.5, float("nan")]})',
    )
    expect(displays[0]?.data).toMatchObject({
      'text/plain': expect.stringContaining('2024-01-01'),
      'text/html': expect.stringContaining('<table'),
      'application/vnd.k2.data+json': { n: [1, 2], t: ['2024-01-01T00:00:00', null], f: [0.5, null] },
    })
  })
})

describe.skipIf(!has('matplotlib'))('matplotlib (only where it is installed)', () => {
  useDriver()
  const CHART = 'application/vnd.k2.chart+json'
  const charts = (result: Result): unknown[] => result.displays.flatMap((display) => display.data[CHART] ?? [])

  beforeAll(() => driver.run('import matplotlib.pyplot as plt, datetime'))
  afterEach(() => driver.run('plt.close("all")'))

  test('open figures are shown once at the end, and closed', async () => {
    const result = await driver.run('plt.plot([1, 2, 3]);')
    expect(result.displays).toHaveLength(1)
    expect(result.displays[0]?.data['image/png']).toMatch(/^iVBORw0KGgo/)
    expect((await driver.run('plt.get_fignums()')).displays.map((display) => display.data['text/plain'])).toEqual([
      '[]',
    ])
  })

  test('plt.show() shows there', async () => {
    const { order } = await driver.run('plt.plot([1, 2, 3])\nplt.show()\nprint("after")')
    expect(order.map((item) => Object.keys(item)[0])).toEqual(['display', 'stdout'])
  })

  test('a figure that was displayed is not shown again', async () => {
    expect((await driver.run('fig, ax = plt.subplots(); ax.plot([1, 2])\nfig')).displays).toHaveLength(1)
  })

  test.each([
    [
      'line',
      'plt.plot([1, 2, 3], [4, 5, 6], label="a"); plt.plot([1, 2, 3], [1, 1, 2]); plt.title("T"); plt.xlabel("Time (s)"); plt.ylabel("V [mV]")',
      {
        type: 'line',
        title: 'T',
        x_label: 'Time (s)',
        x_unit: 's',
        y_unit: 'mV',
        x_scale: 'linear',
        elements: [
          {
            label: 'a',
            points: [
              [1, 4],
              [2, 5],
              [3, 6],
            ],
          },
          {
            label: 'Line 1',
            points: [
              [1, 1],
              [2, 1],
              [3, 2],
            ],
          },
        ],
      },
    ],
    [
      'dates',
      'plt.plot([datetime.datetime(2024, 1, d) for d in (1, 2, 3)], [1, 2, 3])',
      {
        type: 'line',
        x_scale: 'datetime',
        elements: [
          {
            points: [
              ['2024-01-01T00:00:00', 1],
              ['2024-01-02T00:00:00', 2],
              ['2024-01-03T00:00:00', 3],
            ],
          },
        ],
      },
    ],
    [
      'scatter',
      'plt.scatter([1, 2], [3, 4], label="s"); plt.axhline(3)',
      {
        type: 'scatter',
        elements: [
          {
            label: 's',
            points: [
              [1, 3],
              [2, 4],
            ],
          },
        ],
      },
    ],
    [
      'bar',
      'plt.bar(["a", "b"], [1, 2], label="g"); plt.xlabel("X"); plt.axhline(1)',
      {
        type: 'bar',
        x_label: 'X',
        elements: [
          { label: 'a', group: 'g', value: 1 },
          { label: 'b', group: 'g', value: 2 },
        ],
      },
    ],
    [
      'horizontal bars',
      'plt.barh(["a", "b"], [1, 2]); plt.xlabel("X"); plt.ylabel("Y")',
      {
        type: 'bar',
        x_label: 'Y',
        y_label: 'X',
        elements: [
          { label: 'a', group: 'Group 0', value: 1 },
          { label: 'b', group: 'Group 0', value: 2 },
        ],
      },
    ],
    [
      'pie',
      'plt.pie([1, 3], labels=["a", "b"])',
      {
        type: 'pie',
        elements: [
          { label: 'a', angle: 90, radius: 1 },
          { label: 'b', angle: 270, radius: 1 },
        ],
      },
    ],
    [
      'boxes',
      'plt.boxplot([[1, 2, 3, 4, 5, 20]], patch_artist=True); plt.xticks([1], ["b"])',
      {
        type: 'box_and_whisker',
        elements: [
          { label: 'b', min: 1, first_quartile: 2.25, median: 3.5, third_quartile: 4.75, max: 5, outliers: [20] },
        ],
      },
    ],
    [
      'several axes',
      'fig, (a, b) = plt.subplots(1, 2); fig.suptitle("S"); a.plot([1, 2, 4]); b.bar(["x"], [1])',
      { type: 'superchart', title: 'S', elements: [{ type: 'line' }, { type: 'bar' }] },
    ],
    ['an image', 'plt.imshow([[1, 2], [3, 4]])', { type: 'unknown', elements: [] }],
    ['no data', 'plt.figure()', {}],
  ])('the chart of %s', async (_, code, chart) => {
    const result = await driver.run(`${code};`)
    expect(result.stderr).toBe('')
    expect(charts(result)).toMatchObject([chart])
  })
})

describe.skipIf(!has('PIL'))('images (only where PIL is installed)', () => {
  useDriver()

  test.each(['RGB', 'CMYK', 'F', '1'])('of mode %s are shown as PNG', async (mode) => {
    const { displays } = await driver.run(`from PIL import Image\nImage.new("${mode}", (2, 2))`)
    expect(displays[0]?.data['image/png']).toMatch(/^iVBORw0KGgo/)
  })
})

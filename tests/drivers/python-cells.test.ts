/** What cells of Python are worth: values, state, errors and exits. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { driver, errorOf, folder, printed, start, traceOf, useDriver, value, version } from './python.ts'

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

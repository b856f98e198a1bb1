/** Python code that is interrupted, is out of its place, or means harm. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { driver, folder, printed, start, traceOf, useDriver, value, version } from './python.ts'

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

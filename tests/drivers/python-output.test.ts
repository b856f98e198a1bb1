/** What Python code prints and displays. */
import { describe, expect, test } from 'vitest'
import { driver, printed, useDriver, value } from './python.ts'

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

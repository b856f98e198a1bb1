/** Magics, and what Python libraries display. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Result } from './driver.ts'
import { driver, errorOf, folder, has, printed, traceOf, useDriver, value } from './python.ts'

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

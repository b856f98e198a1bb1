/** What JavaScript code displays. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Driver } from './driver.ts'
import { folder, main, NODES, start } from './node.ts'

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

describe.each(NODES)('JavaScript with %s', (program) => {
  let driver: Driver

  beforeAll(async () => {
    driver = await start('javascript', program, { env: { NODE_PATH: join(folder, 'global', 'node_modules') } })
  })

  afterAll(async () => await driver.close())

  it('displays in the order of what is printed', async () => {
    const { order } = await driver.run('console.log(1); display.html("<b>2</b>"); console.log(3); display({ n: 4 })')
    expect(order.map((item) => ('display' in item ? item.display.data : item))).toEqual([
      { stdout: '1\n' },
      { 'text/html': '<b>2</b>' },
      { stdout: '3\n' },
      { 'text/plain': '{ n: 4 }' },
    ])
  })

  it('names displays and replaces them', async () => {
    const { displays } = await driver.run('display(1, { display_id: "a" }); display.update(2, { display_id: "a" })')
    expect(displays).toMatchObject([
      { display_id: 'a', update: false, data: { 'text/plain': '1' } },
      { display_id: 'a', update: true, data: { 'text/plain': '2' } },
    ])
  })

  it('shows the rich forms of the last value', async () => {
    const { displays } = await driver.run('({ _repr_html_: () => "<p>", toString: () => "p" })')
    expect(displays).toMatchObject([{ main: true, data: { 'text/html': '<p>' } }])
  })

  it('leaves out what is too large, and cuts text', async () => {
    const raw = '{ "text/html": "<".repeat(5000), "text/plain": "é".repeat(5000) }'
    const { displays } = await driver.run(`display(${raw}, { raw: true }); "y".repeat(9000)`, { displayBytes: 1000 })
    expect(displays.map((display) => display.truncated)).toEqual([['text/html', 'text/plain'], ['text/plain']])
    for (const { data } of displays) {
      expect(Buffer.byteLength(JSON.stringify(data))).toBeLessThanOrEqual(1000)
      expect(data['text/plain']).toMatch(/\n… \d+ bytes left out$/)
    }
  })

  it('shows the beginning of a large array quickly', async () => {
    expect(await main(driver, 'new Array(1e7).fill(0)')).toMatch(/9999900 more items\n\]$/)
  })

  it.each([
    ['display("text")', { 'text/plain': 'text' }],
    ['display("# t", { mime: "text/markdown" })', { 'text/markdown': '# t' }],
    ['display.json({ a: [1, null] })', { 'application/json': { a: [1, null] } }],
    ['display.svg("<svg/>")', { 'image/svg+xml': '<svg/>' }],
    [`display.png(Buffer.from("${PNG}", "base64"))`, { 'image/png': PNG }],
    [`display(Buffer.from("${PNG}", "base64"))`, expect.objectContaining({ 'image/png': PNG })],
    ['display({ "text/html": "<i>", "text/plain": "i" }, { raw: true })', { 'text/html': '<i>', 'text/plain': 'i' }],
    ['display({ toHtml: () => "<u>" })', expect.objectContaining({ 'text/html': '<u>' })],
    [
      'display({ [Symbol.for("Jupyter.display")]: () => ({ "text/plain": "p", "application/json": { a: 1 } }) })',
      { 'text/plain': 'p', 'application/json': { a: 1 } },
    ],
  ])('%s', async (code, data) => {
    const { displays, error } = await driver.run(code)
    expect(error).toBeUndefined()
    expect(displays).toMatchObject([{ data, main: false, ack: true, display_id: null, update: false, truncated: [] }])
  })
})

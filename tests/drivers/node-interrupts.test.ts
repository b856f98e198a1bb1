/** JavaScript code that is interrupted. */
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Driver } from './driver.ts'
import { folder, main, NODES, start } from './node.ts'

describe.each(NODES)('JavaScript with %s', (program) => {
  let driver: Driver

  beforeAll(async () => {
    driver = await start('javascript', program, { env: { NODE_PATH: join(folder, 'global', 'node_modules') } })
  })

  afterAll(async () => await driver.close())

  it.each([
    ['a loop', 'console.log("go"); while (true) {}'],
    ['a loop that catches all', 'console.log("go"); for (;;) try { for (;;); } catch {}'],
    ['an await', 'console.log("go"); await new Promise(() => {})'],
    ['a loop after an await', 'await new Promise((r) => setTimeout(r, 200)); console.log("go"); while (true) {}'],
    ['a loop in an immediate', 'await new Promise((r) => setImmediate(r)); console.log("go"); for (;;);'],
    [
      'promises without an end',
      'console.log("go"); const on = () => Promise.resolve().then(on); on(); await new Promise(() => {})',
    ],
    ['awaits without an end', 'console.log("go"); for (;;) await null'],
    ['a regular expression', 'console.log("go"); /(a+)+b/.test("a".repeat(60))'],
    ['a blocking wait', 'console.log("go"); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'],
    ['a child', 'require("child_process").execSync("echo go; exec sleep 60", { stdio: "inherit" })'],
    [
      'one child after the other',
      'for (;;) try { require("child_process").execSync("echo go; exec sleep 0.05", { stdio: "inherit" }) } catch {}',
    ],
    ['a form of the value', '({ toHtml() { console.log("go"); for (;;); } })'],
  ])('is interrupted in %s, and keeps its state', async (_, code) => {
    await driver.run('var kept = 1')
    const run = driver.start(code)
    await run.printed('go')
    driver.interrupt()
    const result = await run.result
    expect(result).toMatchObject({ exitCode: 1, error: { name: 'KeyboardInterrupt' } })
    expect(await main(driver, 'kept')).toBe('1')
  })

  it('is interrupted by a signal that comes at once', async () => {
    for (let count = 0; count < 20; count++) {
      const run = driver.start('for (;;);')
      await run.started
      driver.interrupt()
      expect((await run.result).error?.name).toBe('KeyboardInterrupt')
    }
  })

  it.each([
    ['the very first thing it does', 'for (;;);'],
    ['what follows a first short wait', 'await new Promise((r) => setTimeout(r, 1)); console.log("go"); for (;;);'],
  ])('is interrupted in %s', async (_, code) => {
    await using other = await start('javascript', program)
    const run = other.start(code)
    await (code.includes('go') ? run.printed('go') : run.started)
    other.interrupt()
    expect((await run.result).error?.name).toBe('KeyboardInterrupt')
    expect(await main(other, '1')).toBe('1')
  })

  it('ignores an interrupt between runs', async () => {
    for (let count = 0; count < 3; count++) {
      driver.interrupt()
      // Nothing tells when the process has seen the signal.
      await setTimeout(50)
      expect(await main(driver, '1')).toBe('1')
    }
  })
})

/** The driver for JavaScript from run to run, and its end. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Driver } from './driver.ts'
import { folder, main, NODES, start } from './node.ts'

describe.each(NODES)('JavaScript with %s', (program) => {
  let driver: Driver

  beforeAll(async () => {
    driver = await start('javascript', program, { env: { NODE_PATH: join(folder, 'global', 'node_modules') } })
  })

  afterAll(async () => await driver.close())

  it('puts the environment and the working directory of a run back, whatever happens in it', async () => {
    await driver.run('process.env.STAYS = "old"')
    const options = { cwd: join(folder, 'other'), env: { STAYS: 'new', GOES: 'x' } }
    const inside = await driver.run(
      'console.log(process.cwd(), process.env.STAYS, process.env.GOES); process.exit(1)',
      options,
    )
    expect(inside.stdout).toBe(`${join(folder, 'other')} new x\n`)
    expect(await main(driver, '[process.cwd(), process.env.STAYS, process.env.GOES]')).toBe(
      `[ '${folder}', 'old', undefined ]`,
    )
  })

  it('fails a run whose working directory is not there', async () => {
    const result = await driver.run('1', { cwd: join(folder, 'missing') })
    expect(result).toMatchObject({ exitCode: 1, error: { name: 'Error' }, displays: [] })
    expect(result.error?.value).toContain('missing')
  })

  it('tells the next run what was printed, and which error there was, after a run', async () => {
    await driver.run(
      'globalThis.soon = () => setTimeout(() => { console.log("late"); throw new Error("background") }, 20)',
    )
    await driver.run('void soon()')
    await expect.poll(() => driver.printedBetween).toEqual([{ stdout: 'late\n' }])
    const { stdout, stderr, error } = await driver.run('1')
    expect({ stdout, error }).toEqual({ stdout: 'late\n', error: undefined })
    expect(stderr).toContain('Error: background')
  })

  it('prints a lot, in order', async () => {
    const { stdout } = await driver.run(
      'for (let n = 0; n < 20000; n++) console.log(n); console.log("x".repeat(300000))',
    )
    expect(stdout.length).toBe(108_890 + 300_001)
  })

  it('survives what the code does to the globals', async () => {
    await using other = await start('javascript', program)
    const harm = [
      'globalThis.Promise = null; var JSON = 1; Object.prototype.x = 1; Buffer.from = null; Object.keys = null',
      'delete Array.prototype.push; Array.prototype.shift = null; String.prototype.split = RegExp.prototype.exec = null',
      'delete Array.prototype[Symbol.iterator]; console = null',
      'Map.prototype.get = null; Array.prototype.toJSON = () => 1; Error.prepareStackTrace = () => { throw 1 }; globalThis.process = undefined; 5',
    ]
    for (const cell of harm) expect((await other.run(cell)).error).toBeUndefined()
    expect(await main(other, '40 + 2')).toBe('42')
    expect((await other.run('throw new Error("x")')).error).toMatchObject({ value: 'x' })
    expect((await other.run('display.html("<b>")')).displays).toHaveLength(1)
    expect((await other.run('await 1; 7')).displays).toHaveLength(1)
  })

  it('runs exit handlers at its end', async () => {
    const other = await start('javascript', program)
    await other.run(
      `process.on('exit', () => require('fs').writeFileSync(${JSON.stringify(join(folder, 'left'))}, ''))`,
    )
    expect(await other.close()).toEqual({ code: 0, signal: null })
    expect(existsSync(join(folder, 'left'))).toBe(true)
  })

  it('ends although an exit handler does not', async () => {
    const other = await start('javascript', program)
    await other.run("await new Promise((r) => setTimeout(r, 100)); process.on('exit', () => { for (;;); })")
    expect(await other.close()).toEqual({ code: 0, signal: null })
  })

  it('ends when nobody reads its events', async () => {
    const other = await start('javascript', program)
    other.closeEvents()
    const run = other.start('1')
    run.started.catch(() => {})
    await expect(run.result).rejects.toThrow('ended')
    expect(await other.exited).toMatchObject({ signal: null })
  })
})

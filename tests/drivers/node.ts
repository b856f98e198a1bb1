/** The driver for JavaScript and TypeScript in the Nodes of this machine, for the tests of one file. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Driver, type DriverOptions, type Language, startDriver } from './driver.ts'

/** Interrupted code leaves Node's bookkeeping of asynchronous ids as it was: without this flag Node ends the process then. */
const FLAGS = ['--no-force-async-hooks-checks']
export const NODES = [process.execPath, '/usr/bin/node'].filter((program) => existsSync(program))

export interface Case {
  title: string
  /** The last one is the one that is looked at. */
  cells: string[]
  main?: string
  stdout?: string
  stderr?: string
  error?: { name: string; value?: string; traceback?: string[] }
  exitCode?: number
}

export let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'k2-node-'))
  writeFileSync(join(folder, 'local.mjs'), "export const a = 'A', b = 'B'\nexport default 'D'\n")
  writeFileSync(join(folder, 'local.cjs'), "module.exports = { c: 'C' }\n")
  writeFileSync(join(folder, 'data.json'), '{"n":1}\n')
  const installed = join(folder, 'global', 'node_modules', 'installed')
  mkdirSync(installed, { recursive: true })
  writeFileSync(
    join(installed, 'package.json'),
    '{"name":"installed","exports":{"import":"./i.mjs","require":"./r.cjs"}}',
  )
  writeFileSync(join(installed, 'i.mjs'), "export const how = 'import'\n")
  writeFileSync(join(installed, 'r.cjs'), "exports.how = 'require'\n")
  mkdirSync(join(folder, 'other'))
  writeFileSync(join(folder, 'other', 'local.mjs'), "export const a = 'other'\n")
})

afterAll(() => rmSync(folder, { recursive: true }))

export async function start(language: Language, program: string, options: DriverOptions = {}): Promise<Driver> {
  return await startDriver(language, { program, flags: FLAGS, cwd: folder, ...options })
}

/** The text form of a run's last expression. */
export async function main(driver: Driver, code: string): Promise<unknown> {
  const result = await driver.run(code)
  expect(result.error).toBeUndefined()
  return result.displays.at(-1)?.data['text/plain']
}

async function check(driver: Driver, { cells, main, stdout = '', stderr = '', error, exitCode }: Case): Promise<void> {
  for (const cell of cells.slice(0, -1)) expect((await driver.run(cell)).error).toBeUndefined()
  const result = await driver.run(cells.at(-1) ?? '')
  const failure = result.error && {
    ...result.error,
    traceback: result.error.traceback?.map((line) => line.replace(/cell-\d+/g, 'cell-N')),
  }
  if (error) expect(failure).toMatchObject(error)
  else expect(failure).toBeUndefined()
  expect(result.displays.map((display) => display.data['text/plain'])).toEqual(main === undefined ? [] : [main])
  expect(result.displays.every((display) => display.main && !display.ack)).toBe(true)
  expect({ stdout: result.stdout, stderr: result.stderr }).toEqual({ stdout, stderr })
  expect(result.exitCode).toBe(exitCode ?? (error ? 1 : 0))
  expect(await driver.run('1')).toMatchObject({ exitCode: 0, error: undefined })
}

export function table(name: string, cases: Case[], driver: () => Driver): void {
  describe(name, () => {
    it.each(cases)('$title', async (entry) => await check(driver(), entry))
  })
}

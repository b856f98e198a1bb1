/** The Python driver in one interpreter, for the tests of one file. `PYTHON` names it; suites of libraries run where it has them. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { type Driver, type DriverOptions, type Result, startDriver } from './driver.ts'

export const program = execFileSync(process.env.PYTHON ?? 'python3', ['-c', 'import sys; print(sys.executable)'], {
  encoding: 'utf8',
}).trim()
export const version = tryPython('import sys; print(sys.version_info[1])')

function tryPython(code: string): string | undefined {
  try {
    return execFileSync(program, ['-c', code], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}

export function has(...modules: string[]): boolean {
  return tryPython(`import ${modules.join(', ')}`) !== undefined
}

export const start = (options: DriverOptions = {}): Promise<Driver> => startDriver('python', { program, ...options })

export let folder: string
export let driver: Driver

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'k2-python-')))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** One driver for a suite whose cells leave nothing that matters to the next. */
export function useDriver(options: DriverOptions = {}): void {
  beforeAll(async () => {
    driver = await start({ cwd: folder, ...options })
  })
  afterAll(() => driver.close())
}

/** The text of the main display. */
export async function value(code: string): Promise<unknown> {
  const result = await driver.run(code)
  expect(result.error).toBeUndefined()
  return result.displays.find((display) => display.main)?.data['text/plain']
}

export const printed = async (code: string): Promise<string> => (await driver.run(code)).stdout
export const errorOf = async (code: string) => (await driver.run(code)).error
export const traceOf = (result: Result): string => (result.error?.traceback ?? []).join('\n')

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import type { Tally } from '../checks/run-checks.ts'

const REPORT = 'build/tests/vitest.json'

interface Report {
  numPassedTests: number
  numFailedTests: number
  testResults: {
    name: string
    status: string
    message?: string
    assertionResults: { fullName: string; status: string }[]
  }[]
}

/** Runs every vitest project (or those named in `args`) with its output on the screen, and counts from its JSON report. */
export async function runVitest(args: string[]): Promise<Tally> {
  await rm(REPORT, { force: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`]
  const child = spawn('vitest', ['run', ...reporters, ...args], { stdio: ['ignore', 'inherit', 'inherit'] })
  const [exitCode] = (await once(child, 'close')) as [number | null]
  const text = await readFile(REPORT, 'utf8').catch(() => null)
  const tally = text === null ? { passed: 0, failed: 0, skipped: [] } : countVitest(JSON.parse(text) as Report)
  // It can fail with every test passed: an unhandled rejection, a set-up that threw, or no report at all.
  if (exitCode !== 0 && tally.failed === 0) tally.failed = 1
  return tally
}

/** A file that could not be loaded has no tests and counts as one failure. */
export function countVitest(report: Report): Tally {
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  )
  const skipped = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults
      .filter(({ status }) => ['skipped', 'pending', 'todo', 'disabled'].includes(status))
      .map(({ fullName }) => `test "${fullName}"`),
  )
  return { passed: report.numPassedTests, failed: report.numFailedTests + unloaded.length, skipped }
}

import { expect, test } from 'vitest'
import { countGoTests } from '../../../scripts/suite/go-tests.ts'
import { countVitest } from '../../../scripts/suite/vitest.ts'

const events = (...list: object[]) => list.map((event) => JSON.stringify(event)).join('\n')

test('Go totals: tests and subtests count, a failed package with a failed test does not count again', () => {
  const { tally, report } = countGoTests(
    events(
      { Action: 'pass', Package: 'p', Test: 'TestA' },
      { Action: 'output', Package: 'p', Test: 'TestB', Output: 'b_test.go:3: wrong\n' },
      { Action: 'fail', Package: 'p', Test: 'TestB' },
      { Action: 'fail', Package: 'p' },
      { Action: 'output', Package: 'p', Test: 'TestC', Output: '    c_test.go:9: needs root\n' },
      { Action: 'skip', Package: 'p', Test: 'TestC' },
    ),
  )
  expect(tally).toEqual({ passed: 1, failed: 1, skipped: ['Go test TestC: needs root'] })
  expect(report).toContain('wrong')
})

test('Go totals: a package that does not build is one failure, with the compiler’s words', () => {
  const { tally, report } = countGoTests(
    events(
      { Action: 'build-output', ImportPath: 'p', Output: 'x.go:1: undefined: y\n' },
      { Action: 'build-fail', ImportPath: 'p' },
      { Action: 'fail', Package: 'p' },
    ),
  )
  expect(tally.failed).toBe(1)
  expect(report).toContain('undefined: y')
})

test('vitest totals: a file that could not be loaded is one failure, skipped tests are named', () => {
  const tally = countVitest({
    numPassedTests: 2,
    numFailedTests: 0,
    testResults: [
      { name: 'a', status: 'failed', assertionResults: [] },
      { name: 'b', status: 'passed', assertionResults: [{ fullName: 'later', status: 'skipped' }] },
    ],
  })
  expect(tally).toEqual({ passed: 2, failed: 1, skipped: ['test "later"'] })
})

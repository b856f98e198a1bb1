/**
 * `npm test`: set-up, checks, Go tests, every vitest project, and the look for leftovers. Each part runs whatever the ones
 * before it said. The last line is `N passed, N failed`: each Go test, each vitest test and each check counts as one.
 * Arguments go to vitest (`npm test -- --project unit`).
 */
import { findLeftovers, snapshot } from '../tests/setup/leftovers.ts'
import { runChecks, type Tally } from './checks/run-checks.ts'
import { setUpOrExplain } from './setup.ts'
import { runGoTests } from './suite/go-tests.ts'
import { runVitest } from './suite/vitest.ts'

const failedAlone: Tally = { passed: 0, failed: 1, skipped: [] }

// Beside each other: on a fresh machine the set-up waits for packages most of its time, and the checks need none of what it makes.
const [ready, checked] = await Promise.all([setUpOrExplain(process.env, []), part('checks', runChecks)])
const before = await snapshot().catch(() => null)
const parts = [
  ready ? { ...failedAlone, passed: 1, failed: 0 } : failedAlone,
  checked,
  await part('go test', runGoTests),
  await part('vitest', () => runVitest(process.argv.slice(2))),
  await part('leftovers', async () => {
    if (!before) return { passed: 0, failed: 0, skipped: ['look for leftovers: no engine answers'] }
    const left = await findLeftovers(before)
    for (const line of left) console.log(`left behind: ${line}`)
    return { passed: left.length === 0 ? 1 : 0, failed: left.length === 0 ? 0 : 1, skipped: [] }
  }),
]

const skipped = parts.flatMap((tally) => tally.skipped)
if (skipped.length > 0) console.log(`\n${skipped.length} skipped:\n${skipped.map((line) => `  ${line}`).join('\n')}`)
const passed = parts.reduce((sum, tally) => sum + tally.passed, 0)
const failed = parts.reduce((sum, tally) => sum + tally.failed, 0)
console.log(`${passed} passed, ${failed} failed`)
// Also after a part that left something open: the totals are said, nothing is waited for.
process.exit(failed > 0 ? 1 : 0)

/** A part that throws is one failure, not the end of the others. */
async function part(name: string, run: () => Promise<Tally>): Promise<Tally> {
  console.log(`\n== ${name}`)
  try {
    return await run()
  } catch (thrown) {
    console.error(`${name} could not be run:`, thrown)
    return failedAlone
  }
}

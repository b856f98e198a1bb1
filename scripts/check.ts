/** `npm run check`: everything that can be said without running the server. Seconds, no Docker. */
import { runChecks } from './checks/run-checks.ts'

const { passed, failed, skipped } = await runChecks()
for (const line of skipped) console.log(`skipped ${line}`)
console.log(`${passed} passed, ${failed} failed`)
if (failed > 0) process.exitCode = 1

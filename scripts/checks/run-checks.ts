import { existsSync } from 'node:fs'
import { delimiter, dirname, isAbsolute } from 'node:path'
import { findGo } from '../setup/go-toolchain.ts'
import { runProgram } from '../setup/run-program.ts'
import { CHECKS, type Check } from './checks.ts'

export interface Tally {
  passed: number
  failed: number
  /** One line each: what was not done, and why. */
  skipped: string[]
}

const CHECK_TIMEOUT_MS = 600_000

/** Runs every check, also after one has failed; prints a line each, and the words of those that failed. */
export async function runChecks(): Promise<Tally> {
  const go = await findGo()
  const env =
    go && isAbsolute(go.path)
      ? { ...process.env, PATH: `${dirname(go.path)}${delimiter}${process.env.PATH}` }
      : process.env
  const tally: Tally = { passed: 0, failed: 0, skipped: [] }
  for (const check of CHECKS) {
    const missing = whyNot(check, go !== null)
    if (missing) {
      tally.skipped.push(`check "${check.name}": ${missing}`)
      continue
    }
    const startedAt = performance.now()
    const fault = await run(check, env)
    console.log(
      `${fault === null ? 'ok    ' : 'FAILED'} ${check.name} (${Math.round(performance.now() - startedAt)} ms)`,
    )
    if (fault !== null) console.log(fault)
    tally[fault === null ? 'passed' : 'failed'] += 1
  }
  return tally
}

function whyNot({ needs, go }: Check, hasGo: boolean): string {
  if (needs && !existsSync(needs)) return `${needs} is not there`
  return go && !hasGo ? 'no Go 1.24 or later on this machine' : ''
}

/** Null when all is well, else what the program said. */
async function run({ argv, cwd, silentWhenFine }: Check, env: NodeJS.ProcessEnv): Promise<string | null> {
  const { exitCode, stdout, stderr } = await runProgram(argv, {
    timeoutMs: CHECK_TIMEOUT_MS,
    env,
    ...(cwd ? { cwd } : {}),
  })
  const fine = exitCode === 0 && !(silentWhenFine && stdout.trim())
  return fine ? null : `${stdout}${stderr}`.trimEnd()
}

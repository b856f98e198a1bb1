import type { Tally } from '../checks/run-checks.ts'
import { findGo } from '../setup/go-toolchain.ts'
import { runProgram } from '../setup/run-program.ts'

const TIMEOUT_MS = 900_000

interface GoEvent {
  Action: 'pass' | 'fail' | 'skip' | 'output' | 'build-output' | 'build-fail' | 'run' | 'start'
  Package?: string
  ImportPath?: string
  Test?: string
  Output?: string
}

/** `go test -race` over the agent, counted by test (subtests too). A package that does not build counts as one failure. */
export async function runGoTests(): Promise<Tally> {
  const go = await findGo()
  if (!go) return { passed: 0, failed: 0, skipped: ['Go tests of the agent: no Go 1.24 or later on this machine'] }
  const { exitCode, stdout, stderr } = await runProgram([go.path, 'test', '-race', '-count=1', '-json', './...'], {
    cwd: 'agent',
    timeoutMs: TIMEOUT_MS,
    // The race detector is written in C.
    env: { ...process.env, CGO_ENABLED: '1' },
  })
  const { tally, report } = countGoTests(stdout)
  if (exitCode !== 0 && tally.failed === 0) tally.failed = 1
  if (tally.failed > 0) console.log(`${report}${stderr}`.trimEnd())
  console.log(`go test: ${tally.passed} passed, ${tally.failed} failed`)
  return tally
}

/** Counts the lines of `go test -json`. `report` is the output of what failed. */
export function countGoTests(lines: string): { tally: Tally; report: string } {
  const tally: Tally = { passed: 0, failed: 0, skipped: [] }
  const outputs = new Map<string, string>()
  const failedPackages = new Set<string>()
  const packagesWithFailedTests = new Set<string>()
  let report = ''
  for (const line of lines.split('\n')) {
    const event = parse(line)
    if (!event) continue
    const key = `${event.Package ?? event.ImportPath} ${event.Test ?? ''}`
    if (event.Output) outputs.set(key, (outputs.get(key) ?? '') + event.Output)
    if (event.Action === 'skip' && event.Test)
      tally.skipped.push(`Go test ${event.Test}: ${reasonOf(outputs.get(key) ?? '')}`)
    if (event.Action === 'pass' && event.Test) tally.passed += 1
    if (event.Action !== 'fail' && event.Action !== 'build-fail') continue
    report += outputs.get(key) ?? ''
    if (event.Test) {
      tally.failed += 1
      packagesWithFailedTests.add(event.Package ?? '')
    } else if (event.Action === 'fail') failedPackages.add(event.Package ?? '')
  }
  // A package can fail without any of its tests: it did not build, it panicked, or the race detector spoke at its end.
  for (const name of failedPackages) if (!packagesWithFailedTests.has(name)) tally.failed += 1
  return { tally, report }
}

function parse(line: string): GoEvent | null {
  if (!line.startsWith('{')) return null
  try {
    return JSON.parse(line) as GoEvent
  } catch {
    return null
  }
}

function reasonOf(output: string): string {
  const said = output.split('\n').find((line) => /_test\.go:\d+: /.test(line))
  return said?.replace(/^.*_test\.go:\d+: /, '').trim() ?? 'skipped by itself'
}

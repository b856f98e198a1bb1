/** `npm run fix`: formats, and applies the fixes that can't change what code does. */
import { runProgram } from './setup/run-program.ts'

const FIXES = [
  ['biome', 'check', '--write'],
  ['gofmt', '-w', 'agent', 'scripts/seccomp'],
]

for (const argv of FIXES) {
  const { exitCode, stdout, stderr } = await runProgram(argv, { timeoutMs: 120_000 })
  console.log(`${argv.join(' ')}\n${stdout}${stderr}`)
  if (exitCode !== 0) process.exitCode = 1
}

/**
 * `npm run seccomp`: writes the pinned seccomp profile from the module in scripts/seccomp; `-- --check` compares instead.
 * A newer profile: `go get` its version there, run this, and let tests/docker/seccomp.test.ts judge it.
 */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { findGo } from './setup/go-toolchain.ts'
import { runProgram } from './setup/run-program.ts'

const MODULE = 'scripts/seccomp'
const PROFILE = 'src/engine/docker/seccomp.json'
/** In the format of sha256sum, so that the committed file can be checked without Go: `sha256sum -c scripts/seccomp/SHA256`. */
const CHECKSUM = `${MODULE}/SHA256`

const profile = await generate()
const checksum = `${createHash('sha256').update(profile).digest('hex')}  ${PROFILE}\n`
if (process.argv.includes('--check')) await check()
else {
  await writeFile(PROFILE, profile)
  await writeFile(CHECKSUM, checksum)
  console.log(`${PROFILE}: ${profile.length} bytes, sha256 ${checksum.slice(0, 64)}`)
}

async function generate(): Promise<string> {
  const go = await findGo()
  if (!go) throw new Error('Go 1.24 or later is needed to generate the profile')
  const { exitCode, stdout, stderr } = await runProgram([go.path, 'run', '-C', MODULE, '.'], { timeoutMs: 300_000 })
  if (exitCode !== 0) throw new Error(`the profile could not be generated: ${stderr.trim()}`)
  return stdout.trimEnd()
}

async function check(): Promise<void> {
  const [committed, noted] = await Promise.all([readFile(PROFILE, 'utf8'), readFile(CHECKSUM, 'utf8')])
  if (committed === profile && noted === checksum) return
  console.error(`${PROFILE} is not what ${MODULE} generates: run \`npm run seccomp\` and commit the result.`)
  process.exitCode = 1
}

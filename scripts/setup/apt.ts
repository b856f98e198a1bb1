import { readFile } from 'node:fs/promises'
import { describeFullDisk, isDiskFull, SetupError } from './problems.ts'
import { asRoot, runProgram } from './run-program.ts'

/** True on Debian, Ubuntu and what calls itself like them. */
export async function hasApt(): Promise<boolean> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '')
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release)
}

/**
 * Installs Debian packages, nothing recommended. `purpose` completes "… is needed to <purpose>".
 * Throws SetupError when this is no Debian, the user can't become root, or apt-get fails.
 */
export async function installPackages(packages: string[], purpose: string): Promise<void> {
  const names = packages.join(' ')
  if (!(await hasApt()))
    throw new SetupError(`${names} is needed to ${purpose}: install it with this system's package manager.`)
  const root = await asRoot()
  if (!root) {
    throw new SetupError(
      `${names} is needed to ${purpose} and this user may not install it: run \`sudo apt-get install ${names}\`.`,
    )
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // A failed update (one mirror of several is away) often leaves lists that are good enough: the install decides.
  await runProgram([...root, 'apt-get', 'update', '-q'], { timeoutMs: 180_000, env })
  const install = [...root, 'apt-get', 'install', '-y', '-q', '--no-install-recommends', ...packages]
  const { exitCode, stdout, stderr } = await runProgram(install, { timeoutMs: 600_000, env })
  if (exitCode === 0) return
  if (isDiskFull(stdout + stderr)) throw new SetupError(describeFullDisk(`installing ${names}`))
  const reason = stderr.split('\n').find((line) => line.startsWith('E:')) ?? `apt-get exited with ${exitCode}`
  throw new SetupError(
    `${names} could not be installed (${reason.trim()}): run \`sudo apt-get install ${names}\` and see what it says.`,
  )
}

/**
 * `node scripts/bootstrap.mjs <name> [arguments]`: the first step of every npm script. Plain JavaScript for Node 18 and later
 * with no dependencies, because it runs before there are any: makes node_modules match package-lock.json, then becomes the
 * pinned Node (the `node` package in node_modules) running the named script. Prints nothing when nothing is to be done.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const stamp = join(root, 'node_modules', '.k2-lock')

/** Node's arguments by script name. */
const scripts = {
  start: ['scripts/start.ts'],
  dev: ['scripts/start.ts', '--watch'],
  test: ['scripts/test.ts'],
  setup: ['scripts/setup.ts'],
  check: ['scripts/check.ts'],
  fix: ['scripts/fix.ts'],
  openapi: ['scripts/openapi.ts'],
  agent: ['scripts/agent.ts'],
  bench: ['scripts/bench.ts'],
  density: ['scripts/density.ts'],
  soak: ['scripts/soak.ts'],
  chaos: ['scripts/chaos.ts'],
  seccomp: ['scripts/seccomp.ts'],
  backup: ['--disable-warning=ExperimentalWarning', 'scripts/backup.ts'],
  restore: ['--disable-warning=ExperimentalWarning', 'scripts/restore.ts'],
}

main()

function main() {
  const [name = '', ...rest] = process.argv.slice(2)
  const script = Object.hasOwn(scripts, name) ? scripts[name] : undefined
  if (!script) return fail(`"${name}" is not a script; one of: ${Object.keys(scripts).join(', ')}.`)
  installDependencies()
  becomePinnedNode([...script, ...rest])
}

/** `npm ci` when the lock file is not the one that node_modules was made from. */
function installDependencies() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  const startedAt = Date.now()
  if (!matchesInstalled()) {
    console.log('dependencies   npm ci')
    // `npm` is a shell script on some systems and a .cmd on others: a shell finds either. No argument comes from outside.
    const npm = spawnSync('npm ci --no-audit --no-fund --loglevel=error', {
      cwd: root,
      shell: true,
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    if (npm.status !== 0) {
      fail(
        'npm ci failed (its own words are above): check that the package registry can be reached, then run this again.',
      )
    }
  }
  pinnedNode()
  writeFileSync(stamp, wanted)
  console.log(`dependencies   installed, ${Date.now() - startedAt} ms`)
}

/** True when someone ran `npm ci` by hand: npm's own record of what it installed names the lock file's versions. */
function matchesInstalled() {
  const hidden = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(hidden)) return false
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const installed = JSON.parse(readFileSync(hidden, 'utf8')).packages
  return Object.keys(wanted).every((path) => {
    if (path === '') return true
    const there = installed[path]
    return there ? there.version === wanted[path].version : wanted[path].optional === true
  })
}

/** Path of the pinned Node's program. npm can be told to skip install scripts; then the package is there but its program is not. */
function pinnedNode() {
  const path = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  const wanted = createRequire(import.meta.url)(join(root, 'package.json')).dependencies.node
  const answer = existsSync(path) ? spawnSync(path, ['--version'], { encoding: 'utf8' }) : undefined
  if (answer?.stdout?.trim() === `v${wanted}`) return path
  fail(
    `node_modules/node does not hold Node ${wanted}: the install script of the "node" package did not run. ` +
      'Allow install scripts (npm config get ignore-scripts should say false), delete node_modules and run this again.',
  )
}

/** Replaces this process where the running Node can; else runs a child and hands on signals and its end. Never returns. */
function becomePinnedNode(args) {
  const node = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (!existsSync(node)) pinnedNode()
  process.chdir(root)
  // Tools that this script starts by name (vitest, tsc, biome) must find the pinned Node first.
  const env = { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH ?? ''}` }
  if (typeof process.execve === 'function') process.execve(node, [node, ...args], env)

  const child = spawn(node, args, { stdio: 'inherit', env })
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  // A terminal sends its interrupt to the child as well; handed on once more it would count as a second, impatient one.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  child.on('error', (error) => fail(`Node could not be started: ${error.message}`))
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code ?? 1)
    process.exit(128 + constants.signals[signal])
  })
}

function fail(sentence) {
  console.error(sentence)
  process.exit(1)
}

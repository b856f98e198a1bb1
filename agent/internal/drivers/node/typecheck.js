'use strict'
// The types of a cell, where a run asks for it: a process of its own (checker.js) checks them before the cell runs.

const { existsSync, readFileSync } = require('fs')
const path = require('path')
const { packageFolders } = require('modules.js')
const { bufferFrom, bufferText, concat, endsWith, exec, joinLists, parse, push, splice, stringify } = require('safe.js')

const CHECK_MS = 60_000
const MEMORY_MIB = 512
const KEPT_CHARACTERS = 4 * 1024 * 1024
const MAX_ANSWER = 1024 * 1024
const { setTimeout, clearTimeout } = globalThis

const cells = [] // Those that ran to their end, oldest first: what the next one may use.
let kept = 0
let checker // { child, sent: how many of `cells` it has }
let waiting // { id, done, tried }
let count = 0

/** A cell that ran to its end, in `folder`. Of more than the limit the older half is forgotten. */
function remember({ name, source: code, folder }) {
  push(cells, { __proto__: null, name, code, folder })
  kept += code.length
  if (kept <= KEPT_CHARACTERS) return
  const old = splice(cells, 0, cells.length > 1 ? cells.length / 2 : 1)
  for (let index = 0; index < old.length; index++) kept -= old[index].code.length
  end()
}

/** Where a cell would look for packages now. */
function folderNow() {
  try {
    return process.cwd()
  } catch {
    return '/'
  }
}

/** The compiler's file in the first folder of packages that has one; from 7 on the package has no functions to call. */
function findCompiler(folders) {
  for (let index = 0; index < folders.length; index++) {
    const folder = path.join(folders[index], 'typescript')
    const file = path.join(folder, 'lib/typescript.js')
    try {
      const { version } = parse(`${readFileSync(path.join(folder, 'package.json'))}`)
      if (exec(/^[4-6]\./, version) !== null && existsSync(file)) return file
    } catch {}
  }
  return undefined
}

/** Checks a cell, and calls `done` with nothing when it is fine, else with `{ name, value, traceback }`. Only the last check is answered. */
function check(cell, done) {
  waiting = { __proto__: null, id: ++count, cell, done, tried: false, timer: undefined }
  waiting.timer = setTimeout(() => {
    end()
    conclude(failure('TypeCheckFailed', `the check took more than ${CHECK_MS / 1000} s`))
  }, CHECK_MS)
  waiting.timer.unref()
  ask()
}

function ask() {
  try {
    if (!checker && !start()) {
      const wanted = "checking types needs the package 'typescript', version 4 to 6 (npm install -g typescript@5, or Debian's node-typescript)"
      return conclude(failure('TypeScriptUnavailable', wanted))
    }
    const { id, cell } = waiting
    const earlier = splice(joinLists(cells), checker.sent, cells.length)
    checker.sent = cells.length
    checker.child.stdin.write(stringify({ __proto__: null, id, name: cell.name, code: cell.source, folder: cell.folder, earlier }) + '\n')
  } catch (error) {
    conclude(failure('TypeCheckFailed', `${error}`))
  }
}

/** Starts the checker; false: the image has no compiler for it. */
function start() {
  const folders = packageFolders()
  const compiler = findCompiler(folders)
  if (!compiler) return false
  const args = [`--max-old-space-size=${MEMORY_MIB}`, '-e', require.sources['checker.js'], '--', compiler]
  const { spawn } = require('child_process')
  const child = spawn(process.execPath, joinLists(args, folders), {
    cwd: '/',
    env: { __proto__: null, ...process.env, NODE_OPTIONS: '' },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const mine = { __proto__: null, child, sent: 0 }
  const gone = () => {
    if (checker !== mine) return
    checker = undefined
    if (!waiting) return
    // It may have ended for want of work just now.
    if (waiting.tried) return conclude(failure('TypeCheckFailed', 'the checker ended, it may use 512 MiB of memory'))
    waiting.tried = true
    ask()
  }
  child.on('error', gone)
  child.on('exit', gone)
  child.stdin.on('error', () => {})
  let pieces = bufferFrom('')
  child.stdout.on('data', (bytes) => {
    pieces = concat([pieces, bytes])
    if (pieces.length > MAX_ANSWER) return end()
    const text = bufferText(pieces, 'utf8')
    if (!endsWith(text, '\n')) return
    pieces = bufferFrom('')
    if (checker === mine) answered(text)
  })
  // It must not keep this process, whose own end is its end.
  child.unref()
  child.stdin.unref()
  child.stdout.unref()
  checker = mine
  return true
}

function answered(text) {
  const answer = parse(text)
  if (!waiting || answer.id !== waiting.id) return
  if (answer.failed) return conclude(failure('TypeCheckFailed', answer.failed))
  const { problems } = answer
  if (problems.length === 0) return conclude(undefined)
  let traceback = []
  for (let index = 0; index < problems.length; index++) traceback = joinLists(traceback, problems[index].lines)
  conclude({ __proto__: null, name: 'TypeCheckError', value: problems[0].message, traceback })
}

function failure(name, value) {
  return { __proto__: null, name, value, traceback: null }
}

function conclude(wrong) {
  const mine = waiting
  waiting = undefined
  if (!mine) return
  clearTimeout(mine.timer)
  mine.done(wrong)
}

/** The run that waits for its check is over. A check that does not end would hold up the next. */
function abandon() {
  if (!waiting) return
  clearTimeout(waiting.timer)
  waiting = undefined
  end()
}

function end() {
  const mine = checker
  checker = undefined
  if (mine) mine.child.kill('SIGKILL')
}

module.exports = { abandon, check, folderNow, remember }

'use strict'
// The driver for JavaScript and TypeScript: one cell after the other, in this process. The protocol is in the README above this folder.
//
// What a cell means here:
// - A run ends with its last expression, with or without a semicolon after it; a promise there is awaited. Timers and servers that are
//   still there go on in the background: what they print goes to the next run, `await` keeps the run open for them.
// - Declarations stay, and may be made again with any keyword. So `const` is constant only for the cell that has it.
// - An error that nothing catches, in a callback or a promise, ends the run that is there, or is told on stderr of the next one.
// - An interrupt and process.exit end the code at once: it can't catch them, and its `finally` blocks don't run. Neither reaches a
//   blocking call of the system (reading a FIFO, a child of execSync that ignores the signal): then the agent replaces the process.

const language = process.argv[1] === 'typescript' ? 'typescript' : 'javascript'
process.argv.length = 1
process.execArgv.length = 0

// Node's ten would be used up by its own and the driver's, which are left out of what is shown.
Error.stackTraceLimit = 25

const channel = require('channel.js')
const { types } = require('util')
const output = require('output.js')
const evaluation = require('evaluate.js')
const interrupts = require('interrupt.js')
const exits = require('exit.js')
const display = require('display.js')
const modules = require('modules.js')
const input = require('input.js')
const { install: installLater, later } = require('later.js')
const { describe } = require('errors.js')
const { enter } = require('place.js')
const hooks = require('hidden.js')
const stacks = require('stacks.js')
const listeners = require('listeners.js')
const safe = require('safe.js')
const typecheck = language === 'typescript' ? require('typecheck.js') : undefined

const extension = language === 'typescript' ? 'ts' : 'js'
const maps = new safe.Map()
const left = [] // Errors of background work between two runs.
const immediately = setImmediate // Node's own: no code of a cell runs in it.
const SIGNAL_DELAY_MS = 100 // So late at most does a signal arrive here that has ended a child.
let signalDue = 0
let run
let count = 0

const listenerCount = process.listenerCount.bind(process)
const tick = typeof process._tickCallback === 'function' ? process._tickCallback : () => {}

/** Takes the next request, if the driver is free for one. */
function proceed() {
  while (!run) {
    const request = channel.next()
    if (!request) return
    if (request.op === 'run') start(request)
  }
}

/** Runs one cell, up to where it is over or waits for something. */
function start(request) {
  const name = `cell-${++count}.${extension}`
  const mine = {
    __proto__: null,
    id: request.id,
    limit: request.display_bytes || 1_048_576,
    cell: { __proto__: null, name, source: request.code },
    restore: () => {},
    outcome: undefined,
    begun: false,
    guarded: true,
    over: false,
  }
  run = mine
  const begin = () => {
    mine.begun = true
    channel.sendOnce({ __proto__: null, type: 'started', id: mine.id })
    for (let index = 0; index < left.length; index++) process.stderr.write(left[index])
    left.length = 0
  }
  try {
    mine.restore = enter(request.cwd, request.env)
  } catch (error) {
    begin()
    return finish(mine, { __proto__: null, error })
  }
  if (typecheck) mine.cell.folder = typecheck.folderNow()
  if (!request.check_types || !typecheck) return perform(mine, begin)
  begin()
  mine.guarded = false
  typecheck.check(mine.cell, (wrong) => {
    if (mine.over) return
    if (wrong) return finish(mine, { __proto__: null, error: null, described: wrong })
    later(() => {
      if (mine.over) return
      mine.guarded = true
      perform(mine, () => {})
    })
  })
}

/** Evaluates the cell of a run. `begin` is called when an interrupt is for it. */
function perform(mine, begin) {
  // Whatever the code does to this stack, the run goes on from the event loop.
  immediately(() => {
    interrupts.listen()
    leave(mine)
  })
  evaluation.arm()
  interrupts.guard(() => {
    begin() // Within the guard: from then on an interrupt is for the code.
    const code = mine.outcome ? undefined : prepare(mine)
    if (code !== undefined && !mine.outcome) attempt(mine, code)
    // Promises that are ready go on within the guard, and those that nobody handles are reported before the run ends.
    if (!mine.over) tick()
  })
  leave(mine)
}

/** After the first, synchronous part. */
function leave(mine) {
  if (!mine.guarded) return
  mine.guarded = false
  if (mine.over) return
  if (mine.outcome) finish(mine, mine.outcome)
  else interrupts.watch()
}

/** The cell as a script. Many cells are one already, so the means for it are loaded when one isn't. */
function rewrite(code) {
  const needed = safe.includes(code, 'import') || safe.includes(code, 'export') || safe.includes(code, 'const')
  return needed ? require('rewrite.js').rewrite(code) : code
}

/** The JavaScript of the cell, or nothing if it isn't any. */
function prepare(mine) {
  const { cell } = mine
  try {
    if (language !== 'typescript') return rewrite(cell.source)
    const { code, map } = require('typescript.js').erase(cell.source)
    cell.map = map
    if (map) safe.mapSet(maps, cell.name, map)
    return rewrite(code)
  } catch (thrown) {
    settle(mine, { __proto__: null, error: thrown.error || thrown, place: thrown.place })
    return undefined
  }
}

/** Evaluates the cell's code; again, if it only names something anew that an earlier cell declared with another keyword. */
function attempt(mine, code) {
  evaluation.evaluate(code, mine.cell.name, (result) => {
    const next = mine.over ? undefined : otherwise(mine, code, result)
    if (next === undefined) evaluated(mine, result)
    else attempt(mine, next)
  })
}

/** V8 lets a cell declare a name again with the same keyword only: the code with the one that it was declared with, if this is why. */
function otherwise(mine, code, result) {
  if (!result.failed || result.line !== 0 || result.column !== 0 || !types.isNativeError(result.error)) return undefined
  if (!result.early && safe.exec(/^SyntaxError: .*\n\s+at cell-\d+\.[jt]s:1:1$/, evaluation.stackOf(result.error)) === null) return undefined
  const conflict = safe.exec(/^Identifier '(.+)' has already been declared$/, `${result.error.message}`)
  if (!conflict) return undefined
  mine.keywords = mine.keywords || { __proto__: null }
  const redeclare = (...change) => {
    const next = require('rewrite.js').redeclare(...change)
    return next === code ? undefined : next
  }
  const name = conflict[1]
  const tried = (mine.keywords[name] = (mine.keywords[name] || 0) + 1)
  if (safe.hasOwn(globalThis, name)) return tried === 1 ? redeclare(code, name, 'var') : undefined
  return tried > 2 ? undefined : redeclare(code, name, tried === 1 ? 'let' : 'const')
}

/** What the inspector said about the cell. */
function evaluated(mine, result) {
  if (mine.over || result.terminated) return
  if (result.failed) {
    const place = result.early && !mine.cell.map ? { line: result.line, column: result.column } : undefined
    return settle(mine, { __proto__: null, error: result.error, place })
  }
  if (types.isPromise(result.value)) {
    return safe.then(
      result.value,
      (value) => shown(mine, value),
      (error) => settle(mine, { __proto__: null, error }),
    )
  }
  shown(mine, result.value)
}

function shown(mine, value) {
  if (mine.over || mine.outcome) return
  const show = () => {
    if (!mine.over) display.showMain(mine, value)
  }
  try {
    if (mine.guarded || (typeof value !== 'object' && typeof value !== 'function')) show()
    else interrupts.guard(show)
    settle(mine, { __proto__: null })
  } catch (error) {
    settle(mine, { __proto__: null, error })
  }
}

/** Ends the run with `outcome`, after what is ready to run. */
function settle(mine, outcome) {
  if (mine.over || mine.outcome) return
  mine.outcome = outcome
  if (!mine.guarded) later(() => finish(mine, mine.outcome))
}

/** Ends the run now: `error`, `exit` (a code), or neither. */
function finish(mine, outcome) {
  if (mine.over) return
  mine.over = true
  let code = 0
  if ('error' in outcome) {
    code = 1
    sendError(mine, outcome)
  } else if (outcome.exit !== undefined) code = outcome.exit
  else if (process.exitCode !== undefined && process.exitCode !== null) code = exits.number(process.exitCode)
  process.exitCode = undefined
  if (typecheck) {
    typecheck.abandon()
    if (code === 0) typecheck.remember(mine.cell)
  }
  mine.restore()
  interrupts.settled()
  run = undefined
  channel.send({ __proto__: null, type: 'end', id: mine.id, exit_code: code })
  if (channel.waiting()) later(proceed)
}

/** Whether an error says that a child died of SIGINT: it is in our group, so this is the interrupt, and it came before our own. */
function isInterrupt(error) {
  try {
    return types.isNativeError(error) && error.signal === 'SIGINT'
  } catch {
    return false
  }
}

function sendError(mine, outcome) {
  let { described } = outcome
  if (isInterrupt(outcome.error)) {
    outcome = interruption([])
    signalDue = safe.now() + SIGNAL_DELAY_MS
  }
  try {
    if (!described) described = outcome.interrupted
      ? { name: 'KeyboardInterrupt', value: 'the run was interrupted', traceback: outcome.frames }
      : describe(outcome.error, mine.cell, outcome.place)
  } catch {
    described = { name: 'Error', value: "an error that can't be shown", traceback: null }
  }
  channel.send({ __proto__: null, type: 'error', id: mine.id, ...described })
}

/** Positions in the text that the code was written in, for cells that were compiled. */
function locate(line) {
  return safe.replace(line, /(cell-\d+\.ts):(\d+):(\d+)/g, (all, name, row, column) => {
    const map = safe.mapGet(maps, name)
    const entry = map && map.findEntry(row - 1, column - 1)
    return entry && entry.originalLine !== undefined ? `${name}:${entry.originalLine + 1}:${entry.originalColumn + 1}` : all
  })
}

/** Whether the code was stopped from outside or by process.exit: what fails because of that says nothing new. */
function stopped(outcome) {
  return outcome !== undefined && (outcome.interrupted || outcome.exit !== undefined)
}

/** An error that nothing caught: it ends the run, or waits for the next one. */
function uncaught(event) {
  return (error) => {
    if (listenerCount(event) > 1) return
    const mine = run
    if (mine && !mine.over) {
      if (mine.guarded) mine.outcome = stopped(mine.outcome) ? mine.outcome : { __proto__: null, error }
      else finish(mine, { __proto__: null, error })
      return
    }
    const { traceback } = describe(error)
    safe.push(left, `Uncaught, after the run had ended: ${safe.join(traceback, '\n')}\n`)
  }
}

/** A SIGINT: says whether to terminate what runs. */
function interrupted(frames, where, again) {
  const mine = run
  const due = safe.now() < signalDue
  signalDue = 0
  if (due || !mine || !mine.begun || mine.over || (again && !(mine.outcome && mine.outcome.interrupted))) {
    interrupts.settled()
    return false
  }
  if (!again) mine.outcome = interruption(frames)
  if (where === 'idle') finish(mine, mine.outcome)
  else if (where !== 'ended') conclude(mine)
  mine.terminate = where === 'sending'
  return where === 'busy' || where === 'driver'
}

/** The outcome of an interrupted run, with the frames of the code that ran. */
function interruption(frames) {
  const traceback = ['KeyboardInterrupt: the run was interrupted']
  for (let index = 0; index < frames.length; index++) safe.push(traceback, locate(frames[index]))
  return { __proto__: null, error: null, interrupted: true, frames: traceback }
}

/** Ends the run from the event loop, once the code that runs now was terminated. */
function conclude(mine) {
  later(() => {
    mine.guarded = false
    finish(mine, mine.outcome)
  })
}

function exited(code) {
  const mine = run
  if (!mine || mine.over) return
  mine.outcome = { __proto__: null, exit: code }
  conclude(mine)
}

stacks.install(locate)
output.install()
evaluation.install()
interrupts.install(interrupted)
exits.install(exited)
// After the boot program, because Node then puts the global `module` of before back.
process.nextTick(modules.install)
input.install()
installLater()
display.install(
  () => run,
  () => {
    if (run && run.terminate) interrupts.terminate()
  },
)
hooks.lenientImports = language === 'typescript'
listeners.listen('uncaughtException', uncaught('uncaughtException'))
listeners.listen('unhandledRejection', uncaught('unhandledRejection'))
channel.listen(proceed, exits.quit)
channel.send({ __proto__: null, type: 'ready', version: process.versions.node })

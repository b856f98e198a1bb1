'use strict'
// SIGINT while code runs. Three cases:
// - the first, synchronous part of a run, before the watcher lives: a watchdog of `vm` around it terminates it;
// - the code waits: the event loop is free, and an ordinary signal handler ends the run;
// - the code waited once and is busy now: nothing in this thread can hear the signal, so a second thread, the watcher, waits for it from
//   the first wait on. It costs about 10 MB and 40 ms of another core, so a context whose code never waits goes without.

const { Session } = require('inspector')
const vm = require('vm')
const hooks = require('hidden.js')
const { keep } = require('listeners.js')
const { whole } = require('stacks.js')
const { Int32Array, SharedArrayBuffer, exec, wait } = require('safe.js')

const guarded = new vm.Script('__k2__.enter()', { filename: 'k2:enter' })
const WATCHER = `
const vm = require('vm'), { Session } = require('inspector'), { parentPort, workerData } = require('worker_threads')
const session = new Session()
session.connectToMainThread()
globalThis.state = workerData
const tell = () => session.post('Runtime.evaluate', { expression: '__k2__.interrupt()', silent: true })
const asleep = new vm.Script('Atomics.wait(state, 0, 0)')
globalThis.watch = () => {
  Atomics.store(state, 1, 1)
  Atomics.notify(state, 1)
  for (;;) try { asleep.runInThisContext({ breakOnSigint: true }) } catch { tell() }
}
parentPort.once('message', () => {
  // The outer watchdog keeps the signal handler in place between two rounds of the inner one, and hears what falls there.
  for (;;) try { vm.runInThisContext('watch()', { breakOnSigint: true }) } catch { tell() }
})
parentPort.postMessage('here')
`
const ARMED = 1
const ARMING_MS = 1000

const on = process.on.bind(process)
const listenerCount = process.listenerCount.bind(process)
const terminator = new Session()
let watcher
let watching = false
let handler = () => false

/** Ends whatever code runs now; it can't be caught, and `finally` blocks don't run. */
function terminate() {
  terminator.post('Runtime.terminateExecution')
  for (;;); // Termination is seen at the next turn of a loop.
}

/** Runs `work`, so that a SIGINT ends it. */
function guard(work) {
  if (watching) return work()
  hooks.enter = work
  try {
    guarded.runInThisContext({ __proto__: null, breakOnSigint: true, displayErrors: false })
  } catch (error) {
    if (!error || error.code !== 'ERR_SCRIPT_EXECUTION_INTERRUPTED') throw error
    handler([], 'ended')
  } finally {
    hooks.enter = undefined
  }
}

/** Starts the watcher once. */
function watch() {
  if (watcher) return
  const { Worker } = require('worker_threads')
  const state = new Int32Array(new SharedArrayBuffer(8))
  const limits = { maxYoungGenerationSizeMb: 1, stackSizeMb: 1 }
  try {
    watcher = new Worker(WATCHER, { eval: true, execArgv: [], env: {}, argv: [], workerData: state, resourceLimits: limits })
  } catch {
    // The code broke something that Node needs for it: what blocks after a wait then can't be interrupted.
    watcher = true
    return
  }
  // Whoever asks for the signal last gets it, and a guard asks for it twice, at its end for this thread's own handler. So the watcher may
  // only ask when there are no more guards, and until it has, nothing else may run.
  watcher.on('message', () => {
    watching = true
    // A listener that comes back would take the signal from the watcher.
    keep('SIGINT', heard)
    watcher.postMessage('go')
    wait(state, ARMED, 0, ARMING_MS)
  })
  watcher.on('error', () => {
    watching = false
    keep('SIGINT', undefined)
  })
  watcher.unref()
}

hooks.interrupt = () => {
  const lines = whole(50)
  const own = []
  let state = 'idle'
  for (let index = 2; index < lines.length; index++) {
    if (exec(/^\s+at (.* \()?(node:|<anonymous>:1:8)/, lines[index])) continue
    const driver = exec(/\(?k2:/, lines[index]) !== null
    // A half written event is worse than an interrupt that comes a moment later.
    if (state === 'idle' || state === 'driver') state = !driver ? 'busy' : exec(/k2:channel/, lines[index]) ? 'sending' : 'driver'
    if (!driver) own[own.length] = lines[index]
  }
  // Nothing may be called after this: the termination is for the code below, and this evaluation would swallow it.
  if (handler(own, state)) terminator.post('Runtime.terminateExecution')
}

/**
 * `onInterrupt(frames, state)` is told of each SIGINT, and answers whether what runs is to be terminated. `frames` of the code that
 * runs; `state`: 'idle' (nothing runs), 'busy' or 'driver' (the code or the driver does), 'sending' (the driver must not be stopped right now), 'ended'
 * (it was terminated already).
 */
function install(onInterrupt) {
  handler = onInterrupt
  terminator.connect()
  listen()
}

function heard() {
  handler([], 'idle')
}

/** Makes sure that the signal is heard while nothing runs: a guard that was terminated from inside leaves it without a listener. */
function listen() {
  if (listenerCount('SIGINT') === 0) on('SIGINT', heard)
}

module.exports = { guard, install, listen, terminate, watch }

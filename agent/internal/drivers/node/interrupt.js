'use strict'
// SIGINT while code runs. Three cases:
// - the first, synchronous part of a run, before the watcher lives: a watchdog of `vm` around it terminates it;
// - the code waits: the event loop is free, and an ordinary signal handler ends the run;
// - the code waited once and is busy now: nothing in this thread can hear the signal, so a second thread, the watcher, waits for it from
//   the first wait on. It costs about 10 MB and 40 ms of another core, so a context whose code never waits goes without; the first wait
//   of a context takes that long at least, because what comes after it must not run unwatched.

const { Session } = require('inspector')
const vm = require('vm')
const hooks = require('hidden.js')
const { keep } = require('listeners.js')
const { whole } = require('stacks.js')
const { Int32Array, SharedArrayBuffer, exec, notify, slice, split, store, wait } = require('safe.js')

const guarded = new vm.Script('__k2__.enter()', { filename: 'k2:enter' })
const WATCHER = `
const vm = require('vm'), { Session } = require('inspector')
globalThis.state = require('worker_threads').workerData
const session = new Session()
session.connectToMainThread()
const tell = (again) => session.post('Runtime.evaluate', { expression: '__k2__.interrupt(' + again + ')', silent: true })
const asleep = new vm.Script('sleep()')
globalThis.sleep = () => {
  // The termination of code that only goes from one promise to the next is lost now and then.
  for (let tries = 0; tries < 500 && Atomics.wait(state, 3, 1, 20) === 'timed-out'; tries++) tell(true)
  Atomics.wait(state, 0, 0)
}
const hear = () => {
  Atomics.store(state, 3, 1)
  tell(false)
}
globalThis.watch = () => {
  Atomics.store(state, 2, 1)
  Atomics.notify(state, 2)
  for (;;) try { asleep.runInThisContext({ breakOnSigint: true }) } catch { hear() }
}
Atomics.wait(state, 1, 0)
// The outer watchdog keeps the signal handler in place between two rounds of the inner one, and hears what falls there.
for (;;) try { vm.runInThisContext('watch()', { breakOnSigint: true }) } catch { hear() }
`
// Node at work on a promise that was rejected, also between two pieces of code: the inspector of Node 20 then ends the process when it is terminated.
const REJECTING = /node:internal\/process\/(promises|task_queues):/
// A child ended, mostly by the same signal, and its error is about to be thrown: a rejection follows at once.
const CHILD = /node:child_process:/
const ASKED = 1
const ARMED = 2
const HEARD = 3
const ARMING_MS = 2000

const on = process.on.bind(process)
const listenerCount = process.listenerCount.bind(process)
const terminator = new Session()
const afterwards = queueMicrotask
let watcher
let watching = false
let guarding = false
let state
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
  guarding = true
  try {
    guarded.runInThisContext({ __proto__: null, breakOnSigint: true, displayErrors: false })
  } catch (error) {
    if (!error || error.code !== 'ERR_SCRIPT_EXECUTION_INTERRUPTED') throw error
    handler([], 'ended')
  } finally {
    hooks.enter = undefined
    guarding = false
  }
}

/** Starts the watcher once. It takes over before the next thing runs. */
function watch() {
  if (watcher) return
  const { Worker } = require('worker_threads')
  const { createHook } = require('async_hooks')
  state = new Int32Array(new SharedArrayBuffer(16))
  const limits = { maxYoungGenerationSizeMb: 1, stackSizeMb: 1 }
  let hook
  try {
    watcher = new Worker(WATCHER, { eval: true, execArgv: [], env: {}, argv: [], workerData: state, resourceLimits: limits })
    // Whoever asks for the signal last gets it, and a guard asks for it twice, at its end for this thread's own handler. So the watcher
    // may only ask while there is no guard.
    let asked = false
    const before = () => {
      if (guarding || asked) return
      asked = true
      // In here it would leave a part of the hooks behind, and promises slow.
      afterwards(() => hook.disable())
      store(state, ASKED, 1)
      notify(state, ASKED)
      watching = wait(state, ARMED, 0, ARMING_MS) !== 'timed-out'
      // A listener that comes back would take the signal from the watcher.
      if (watching) keep('SIGINT', heard)
    }
    hook = createHook({ __proto__: null, before })
    hook.enable()
  } catch {
    // The code broke something that Node needs for it: what blocks after a wait then can't be interrupted.
    watcher = watcher || true
    return
  }
  watcher.on('error', () => {
    watching = false
    keep('SIGINT', undefined)
  })
  watcher.unref()
}

/** The interrupted run is over. */
function settled() {
  if (!state) return
  store(state, HEARD, 0)
  notify(state, HEARD)
}

hooks.interrupt = (again) => {
  const stack = whole(50)
  // As text where an error's stack is just being made; its first line is no frame.
  const lines = typeof stack === 'string' ? slice(split(stack, '\n'), 1) : stack
  const own = []
  let where = 'driver'
  for (let index = 2; index < lines.length; index++) {
    // A module of Node's own that is loaded by half would stay so: the watcher asks again.
    if (exec(/node:internal\/bootstrap\/(realm|loaders):/, lines[index])) where = 'sending'
    if (where === 'driver' && (exec(REJECTING, lines[index]) || (!again && exec(CHILD, lines[index])))) where = 'sending'
    if (exec(/^\s+at (.* \()?(node:|<anonymous>:1:8)/, lines[index])) continue
    const driver = exec(/\(?k2:/, lines[index]) !== null
    // A half written event is worse than an interrupt that comes a moment later.
    // A function of the language is called by whoever is below it.
    if (where === 'driver' && exec(/\(<anonymous>\)$/, lines[index]) === null) where = !driver ? 'busy' : exec(/k2:channel/, lines[index]) ? 'sending' : 'driver'
    if (!driver) own[own.length] = lines[index]
  }
  // Nothing may be called after this: the termination is for the code below, and this evaluation would swallow it.
  if (handler(own, where, again)) terminator.post('Runtime.terminateExecution')
}

/**
 * `onInterrupt(frames, where, again)` is told of each SIGINT, and answers whether what runs is to be terminated. `frames` of the code that
 * runs; `where`: 'idle' (nothing runs), 'busy' (the code does), 'driver' (the driver, or something between two promises' jobs, or nothing),
 * 'sending' (the driver, or Node, must not be stopped right now), 'ended' (it was terminated already). `again`: this is the signal of before, and the run didn't end.
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

module.exports = { guard, install, listen, settled, terminate, watch }

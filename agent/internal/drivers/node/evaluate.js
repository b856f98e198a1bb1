'use strict'
// Evaluates cells in the global scope through an in-process inspector session: its REPL mode gives top-level await and declarations
// that persist and may be repeated, which no other interface of Node has.

const { Session } = require('inspector')
const { types } = require('util')
const { promiseHooks } = require('v8')
const hooks = require('hidden.js')
const { exec, push, splice, then } = require('safe.js')

const session = new Session()
const pending = []
let received
let stop // Of the hook that waits for a promise.
let expected // What gets the next one.

hooks.receive = (value) => {
  received = value
}

/** The object behind an inspector's description of it. */
function real(remote) {
  session.post('Runtime.callFunctionOn', {
    __proto__: null,
    objectId: remote.objectId,
    functionDeclaration: 'function () { "use strict"; __k2__.receive(this) }',
    silent: true,
  })
  const value = received
  received = undefined
  return value
}

/** What the inspector keeps for us of a result would never be collected. */
function release() {
  session.post('Runtime.releaseObjectGroup', { __proto__: null, objectGroup: 'cell' })
}

/**
 * Waits for promises, before an interrupt can come: one in the middle of it would leave the hook there for ever. What a hook does that
 * stays nevertheless is nothing.
 */
function arm() {
  if (stop !== undefined) return
  stop = promiseHooks.onInit((made) => {
    const take = expected
    if (take === undefined) return
    disarm()
    take(made)
  })
}

function disarm() {
  const end = stop
  expected = stop = undefined
  if (end !== undefined) end()
}

/**
 * Evaluates `code` under `name`. `done` gets, now or later, `{ value }`, `{ failed, error, early, line, column }` (`early`: the code was
 * not even compiled, because of what is at that place, from 0) or `{ terminated: true }`; never, when the code waits for ever.
 */
function evaluate(code, name, done) {
  const expression = code + '\n//# sourceURL=' + name
  const options = { __proto__: null, expression, objectGroup: 'cell', replMode: true, silent: true }
  // The first promise that is made is the one of the code itself. It has the value as it is; and it must be kept: when it is collected,
  // because the code waits for what nothing refers to, the inspector of Node 22 ends the process.
  let promise
  let failed = false
  let called = false
  arm()
  expected = (made) => {
    promise = made
  }
  session.post('Runtime.evaluate', options, (failure, answer) => {
    if (failure) return done({ __proto__: null, terminated: true })
    const details = answer.exceptionDetails
    if (!called && details) {
      failed = true
      fail(details, done)
    }
    if ((details && details.exception && details.exception.objectId) || answer.result.objectId) release()
  })
  called = true
  disarm()
  if (failed || promise === undefined) return
  const kept = promise
  push(pending, kept)
  const settled = (result) => {
    for (let index = 0; index < pending.length; index++) {
      if (pending[index] === kept) {
        splice(pending, index, 1)
        break
      }
    }
    done(result)
  }
  then(
    promise,
    (result) => settled({ __proto__: null, value: result['.repl_result'] }),
    (error) => settled({ __proto__: null, failed: true, error }),
  )
}

/** Code that was not run at all. */
function fail(details, done) {
  const error = real(details.exception)
  // No code of anybody was there to throw it.
  const early = exec(/^SyntaxError: [^\n]*$/, stackOf(error)) !== null
  done({ __proto__: null, failed: true, error, early, line: details.lineNumber, column: details.columnNumber })
}

/** The stack of an error, or nothing. */
function stackOf(error) {
  try {
    return types.isNativeError(error) ? `${error.stack}` : ''
  } catch {
    return ''
  }
}

/** Opens the session. */
function install() {
  session.connect()
}

module.exports = { arm, evaluate, install, stackOf }

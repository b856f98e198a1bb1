'use strict'
// Stacks without the driver, also in what the code itself prints of an error. Set as Error.prepareStackTrace, which the code may replace.

const { Error, ErrorText, call, description, exec, push, symbols } = require('safe.js')

// The second: the file name that import() of a cell goes by.
const DRIVER = /(?:^|\(| )k2:|\/cell\.cjs:1:/
const NODE = /(?:^|\(| )node:/

/** The frames without the driver's and those of Node around them. */
function withoutDriver(sites) {
  const kept = []
  let certain = 0 // So many stay, whatever follows.
  let inDriver = false
  for (let index = 0; index < sites.length; index++) {
    const frame = `${sites[index]}`
    if (exec(DRIVER, frame) !== null) {
      kept.length = certain
      inDriver = true
    } else if (exec(NODE, frame) === null) {
      push(kept, sites[index])
      certain = kept.length
      inDriver = false
    } else if (!inDriver) push(kept, sites[index])
  }
  return kept
}

/** What Node does by default; a version that has no function for it marks its own errors, which show their code. */
function stackOf(error, sites) {
  let text
  try {
    text = call(ErrorText, error)
    const marks = symbols(error)
    for (let index = 0; index < marks.length; index++) {
      if (description(marks[index]) === 'Symbol(kIsNodeError)') text = `${error.name} [${error.code}]: ${error.message}`
    }
  } catch {
    text = text || '<error>'
  }
  for (let index = 0; index < sites.length; index++) text += `\n    at ${sites[index]}`
  return text
}

/** `locate(stack)` puts the positions of the source into a stack. */
function install(locate) {
  const form = typeof Error.prepareStackTrace === 'function' ? Error.prepareStackTrace : stackOf
  Error.prepareStackTrace = function prepareStackTrace(error, sites) {
    return locate(form(error, withoutDriver(sites)))
  }
}

/** The whole stack of here, one frame a line, whatever the code made of stacks. */
function whole(limit) {
  const { prepareStackTrace, stackTraceLimit } = Error
  try {
    Error.stackTraceLimit = limit
    Error.prepareStackTrace = (_, sites) => {
      const frames = []
      for (let index = 0; index < sites.length; index++) push(frames, `    at ${sites[index]}`)
      return frames
    }
    return new Error('').stack
  } finally {
    Error.prepareStackTrace = prepareStackTrace
    Error.stackTraceLimit = stackTraceLimit
  }
}

module.exports = { install, whole }

'use strict'
// process.exit ends the run, not the interpreter.

const vm = require('vm')
const hooks = require('hidden.js')
const { terminate } = require('interrupt.js')

const HANDLERS_MS = 2000
const emit = process.emit.bind(process)
const reallyExit = process.reallyExit.bind(process)
const { isInteger } = Number

/** The exit code that `code` asks for, as the system will have it. */
function number(code) {
  const value = code === undefined || code === null ? 0 : +code
  return isInteger(value) ? value & 255 : 1
}

/** `onExit(code)` is told of each call; the code that called it doesn't go on. */
function install(onExit) {
  process.exit = function exit(code) {
    onExit(number(code === undefined ? process.exitCode : code))
    terminate()
  }
  process.reallyExit = process.exit
}

/** Ends the driver itself, after the exit handlers of the code. */
function quit() {
  hooks.enter = () => emit('exit', 0)
  try {
    vm.runInThisContext('__k2__.enter()', { __proto__: null, timeout: HANDLERS_MS, filename: 'k2:exit' })
  } catch {}
  reallyExit(0)
}

module.exports = { install, number, quit }

'use strict'
// Work for the next turn of the event loop, through a message port. Node's own immediates can't be used around user code: their queue
// stays broken for ever when the code in one of them is terminated (an interrupt, process.exit), a message handler doesn't.

const { defineProperty, push, shift } = require('safe.js')

const queue = []
let port

/** Calls `work` from the event loop, after the code that runs now and its promises. */
function later(work) {
  if (!port) {
    const { MessageChannel } = require('worker_threads')
    const channel = new MessageChannel()
    port = channel.port2
    channel.port1.on('message', () => {
      const first = shift(queue)
      if (first) first()
    })
  }
  push(queue, work)
  port.postMessage(null)
}

class Immediate {
  constructor(callback, args) {
    this._onImmediate = callback
    this._arguments = args
  }

  ref() {
    return this
  }

  unref() {
    return this
  }

  hasRef() {
    return true
  }
}

function setImmediate(callback, ...args) {
  if (typeof callback !== 'function') {
    const error = new TypeError('The "callback" argument must be of type function')
    error.code = 'ERR_INVALID_ARG_TYPE'
    throw error
  }
  const immediate = new Immediate(callback, args)
  const { AsyncResource } = require('async_hooks')
  const resource = new AsyncResource('Immediate')
  later(() => {
    const run = immediate._onImmediate
    immediate._onImmediate = null
    if (run) resource.runInAsyncScope(run, immediate, ...immediate._arguments)
  })
  return immediate
}

function clearImmediate(immediate) {
  if (immediate instanceof Immediate) immediate._onImmediate = null
}

/** Replaces setImmediate and clearImmediate, also those of the `timers` module. */
function install() {
  const timers = require('timers')
  const promisified = (value) => new Promise((resolve) => setImmediate(resolve, value))
  const custom = require('util').promisify.custom
  defineProperty(setImmediate, custom, { __proto__: null, value: promisified })
  if (Symbol.dispose) {
    Immediate.prototype[Symbol.dispose] = function () {
      clearImmediate(this)
    }
  }
  globalThis.setImmediate = timers.setImmediate = setImmediate
  globalThis.clearImmediate = timers.clearImmediate = clearImmediate
}

module.exports = { install, later }

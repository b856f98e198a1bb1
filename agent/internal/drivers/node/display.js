'use strict'
// display(): shows a value while the code runs.

const { send, waitForAck } = require('channel.js')
const { encode, fit, forms } = require('bundle.js')
const { Error, String, defineProperty, keys } = require('safe.js')

const SHORT = {
  __proto__: null,
  html: 'text/html',
  markdown: 'text/markdown',
  latex: 'text/latex',
  svg: 'image/svg+xml',
  png: 'image/png',
  jpeg: 'image/jpeg',
  json: 'application/json',
  text: 'text/plain',
}

/** Sends one display of `run`. `main`: the value of its last expression; any other waits until the agent has taken it. */
function show(run, data, { main = false, display_id = null, update = false } = {}) {
  const truncated = fit(data, run.limit)
  send({ __proto__: null, type: 'display', id: run.id, data, main, display_id, update, truncated, ack: !main })
  if (!main) waitForAck()
}

/** Sends the value of a run's last expression. */
function showMain(run, value) {
  if (value !== undefined) show(run, forms(value, run.limit, false), { __proto__: null, main: true })
}

/** Defines the global function. `current()` is the run that is shown to; `after()` is called when a display is over. */
function install(current, after) {
  const put = (data, options, update) => {
    const run = current()
    if (!run) throw new Error('display() has no run to show in: the code that called it had already ended')
    const id = options && options.display_id !== undefined && options.display_id !== null ? String(options.display_id) : null
    show(run, data, { __proto__: null, display_id: id, update: update || Boolean(options && options.update) })
    after()
  }
  const dataOf = (value, options) => {
    const data = { __proto__: null }
    if (options && options.raw) {
      const mimes = keys(value)
      for (let index = 0; index < mimes.length; index++) data[mimes[index]] = encode(mimes[index], value[mimes[index]])
      return data
    }
    if (options && options.mime) {
      data[options.mime] = encode(options.mime, value)
      return data
    }
    if (typeof value === 'string') {
      data['text/plain'] = value
      return data
    }
    const run = current()
    return forms(value, run ? run.limit : 0, true)
  }
  const display = function display(value, options) {
    put(dataOf(value, options), options, false)
  }
  display.update = function update(value, options) {
    if (!options || options.display_id === undefined) throw new TypeError('display.update needs the display_id of what it replaces')
    put(dataOf(value, options), options, true)
  }
  const names = keys(SHORT)
  for (let index = 0; index < names.length; index++) {
    display[names[index]] = function (value, options) {
      put(dataOf(value, { __proto__: null, mime: SHORT[names[index]] }), options, false)
    }
  }
  defineProperty(globalThis, 'display', { __proto__: null, configurable: true, writable: true, value: display })
}

module.exports = { install, showMain }

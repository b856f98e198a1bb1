'use strict'
// process.stdout, process.stderr and console: what is printed is in its pipe when the call returns, so nothing has to be flushed.

const { Console } = require('console')
const { Writable } = require('stream')
const { bufferFrom, defineProperty, keys } = require('safe.js')
const { writeAll } = require('bytes.js')

/** A stream over descriptor `fd` that can't be ended or broken by the code. */
class Output extends Writable {
  constructor(fd) {
    super({ decodeStrings: false, emitClose: false, autoDestroy: false })
    defineProperty(this, 'fd', { __proto__: null, value: fd, enumerable: true })
    this._type = 'pipe'
    this._isStdio = true
  }

  write(chunk, encoding, callback) {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) return super.write(chunk, encoding, callback)
    const other = typeof chunk === 'string' && typeof encoding === 'string' && encoding !== 'utf8' && encoding !== 'utf-8'
    writeAll(this.fd, other ? bufferFrom(chunk, encoding) : chunk)
    const done = typeof encoding === 'function' ? encoding : callback
    if (typeof done === 'function') process.nextTick(done)
    return true
  }

  _write(chunk, _encoding, callback) {
    writeAll(this.fd, chunk)
    callback()
  }

  end(chunk, encoding, callback) {
    if (typeof chunk === 'function') process.nextTick(chunk)
    else {
      if (chunk !== undefined && chunk !== null) this.write(chunk, encoding)
      const done = typeof encoding === 'function' ? encoding : callback
      if (typeof done === 'function') process.nextTick(done)
    }
    return this
  }

  destroy() {
    return this
  }
}

/** Puts the streams in place of Node's, and our console's methods into the global one. */
function install() {
  const streams = { stdout: new Output(1), stderr: new Output(2) }
  const names = keys(streams)
  for (let index = 0; index < names.length; index++) {
    const stream = streams[names[index]]
    defineProperty(process, names[index], {
      __proto__: null,
      configurable: true,
      enumerable: true,
      get: () => stream,
    })
  }
  // Node's own methods also tell the inspector, which keeps what was printed and costs several times the time.
  const own = new Console({ ...streams, ignoreErrors: false })
  const methods = keys(own)
  for (let index = 0; index < methods.length; index++) {
    const name = methods[index]
    if (typeof own[name] === 'function' && name !== 'Console') console[name] = own[name]
  }
  return streams
}

module.exports = { install }

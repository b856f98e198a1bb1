'use strict'
// There is no standard input: whoever reads it is told so, instead of waiting or seeing an empty file.

const fs = require('fs')
const { Error, defineProperty } = require('safe.js')

function noInput() {
  const error = new Error('there is no standard input here: put the data into a variable or a file')
  error.code = 'ERR_NO_STDIN'
  return error
}

/** Replaces process.stdin, prompt() and the reading of descriptor 0. */
function install() {
  let stdin
  defineProperty(process, 'stdin', {
    __proto__: null,
    configurable: true,
    enumerable: true,
    get() {
      if (stdin) return stdin
      const { Readable } = require('stream')
      stdin = new Readable({
        read() {
          this.destroy(noInput())
          stdin = undefined
        },
      })
      stdin.fd = 0
      return stdin
    },
  })
  defineProperty(globalThis, 'prompt', {
    __proto__: null,
    configurable: true,
    writable: true,
    value: function prompt() {
      throw noInput()
    },
  })
  const { readFileSync, readSync } = fs
  fs.readFileSync = function (path, options) {
    if (path === 0 || path === '/dev/stdin') throw noInput()
    return readFileSync(path, options)
  }
  fs.readSync = function (fd, ...rest) {
    if (fd === 0) throw noInput()
    return readSync(fd, ...rest)
  }
}

module.exports = { install }

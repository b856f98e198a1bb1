'use strict'
// Whole writes and short waits on descriptors, without the event loop.

const { writeSync } = require('fs')
const { Int32Array, SharedArrayBuffer, bufferFrom, bufferSlice, wait } = require('safe.js')

const clock = new Int32Array(new SharedArrayBuffer(4))

/** Blocks for a short time, in ms. */
function pause(ms) {
  wait(clock, 0, 0, ms)
}

// So many characters are written whole or not at all: a pipe takes 4,096 bytes at once, and a character has 3 at most.
const ATOMIC = 1_365

/** Writes all of `data` (a string or bytes) and says whether the descriptor still takes any. */
function writeAll(fd, data) {
  let rest = data
  if (typeof data === 'string' && data.length <= ATOMIC) {
    try {
      writeSync(fd, data)
      return true
    } catch {
      // Once more below, where the reason matters.
    }
  }
  for (;;) {
    try {
      const bytes = typeof rest === 'string' ? bufferFrom(rest, 'utf8') : rest
      const written = writeSync(fd, bytes, 0, bytes.length)
      if (written === bytes.length) return true
      rest = bufferSlice(bytes, written)
    } catch (error) {
      // A child that shares the pipe may have made it non-blocking; the reader then needs a moment.
      if (error.code === 'EAGAIN') pause(1)
      else if (error.code !== 'EINTR') return false
    }
  }
}

module.exports = { pause, writeAll }

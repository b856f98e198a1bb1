'use strict'
// The two pipes to the agent: requests on 3, events on 4, one JSON object a line.

const { readSync } = require('fs')
const { Socket } = require('net')
const { pause } = require('bytes.js')
const { writeSync } = require('fs')
const { bufferFrom, bufferIndexOf, bufferSlice, bufferText, concat, parse, push, shift, stringify } = require('safe.js')

const REQUESTS = 3
const EVENTS = 4
const NEWLINE = 10

const requests = []
const chunk = bufferFrom(new ArrayBuffer(65_536))
let pieces = []
let unsent
let ended = false

/** Keeps what was read, and moves whole lines to `requests`. The bytes may be reused by the caller afterwards only if `copy`. */
function feed(bytes, copy) {
  let rest = bytes
  for (;;) {
    const end = bufferIndexOf(rest, NEWLINE)
    if (end < 0) break
    push(pieces, bufferSlice(rest, 0, end))
    const line = bufferText(pieces.length === 1 ? pieces[0] : concat(pieces), 'utf8')
    pieces = []
    rest = bufferSlice(rest, end + 1)
    if (line !== '') push(requests, parse(line))
  }
  if (rest.length > 0) push(pieces, copy ? bufferFrom(rest) : rest)
}

/** Calls `onRequest` when there may be something for `next()`, and `onEnd` when either pipe was closed. */
function listen(onRequest, onEnd) {
  // A socket because reading files would keep one of the four threads that the code's own file work needs.
  const socket = new Socket({ fd: REQUESTS, readable: true, writable: false })
  socket.on('data', (bytes) => {
    feed(bytes, false)
    onRequest()
  })
  const end = () => {
    if (ended) return
    ended = true
    onEnd()
  }
  socket.on('error', end)
  socket.on('end', end)
  send.onEnd = onEnd
}

/** The next request that was read, if any. */
function next() {
  return shift(requests)
}

/** Whether a request was read that nobody took. */
function waiting() {
  return requests.length > 0
}

/** Writes one event. An interrupt in the middle of it leaves the rest to the next one. */
function send(event) {
  const line = bufferFrom(stringify(event) + '\n', 'utf8')
  unsent = unsent ? concat([unsent, line]) : line
  while (unsent.length > 0) {
    try {
      unsent = bufferSlice(unsent, writeSync(EVENTS, unsent, 0, unsent.length))
    } catch (error) {
      if (error.code === 'EAGAIN') pause(0.2)
      else if (error.code !== 'EINTR') {
        unsent = undefined
        return send.onEnd()
      }
    }
  }
  unsent = undefined
}

/** Writes a short event, and not again if it is interrupted in the middle: a pipe takes such a one whole or not at all. */
function sendOnce(event) {
  if (unsent) return send(event)
  const line = bufferFrom(stringify(event) + '\n', 'utf8')
  try {
    writeSync(EVENTS, line, 0, line.length)
  } catch {
    send(event)
  }
}

/** Blocks until the agent acknowledged a display; the event loop must not turn meanwhile, so the pipe is asked again and again. */
function waitForAck() {
  for (let delay = 0.05; !ended; ) {
    for (let index = 0; index < requests.length; index++) {
      if (requests[index].op !== 'ack') continue
      if (index === 0) shift(requests)
      else requests[index] = { op: 'none' }
      return
    }
    try {
      const count = readSync(REQUESTS, chunk, 0, chunk.length, null)
      if (count === 0) return
      feed(bufferSlice(chunk, 0, count), true)
    } catch (error) {
      if (error.code !== 'EAGAIN' && error.code !== 'EINTR') return
      pause(delay)
      delay = delay < 1 ? delay * 2 : 1
    }
  }
}

module.exports = { listen, next, send, sendOnce, waitForAck, waiting }

'use strict'
// What went wrong, as name, value and traceback lines, whatever was thrown.

const { inspect, types } = require('util')
const { endsWith, exec, joinLists, push, replace, split, text } = require('safe.js')

const FRAME = /^\s+at /
// The last: what Node puts for the frames that a cause shares with its error, here those of the driver.
const DRIVER_FRAME = /^\s+(at (async )?(.* \()?(k2:|node:internal\/|node:inspector|node:vm|<anonymous>:1:8\)?$)|\.\.\. \d+ lines matching cause stack trace)/
const NODE_FRAME = /^\s+at (async )?(.* \()?node:/

/** The text of a value that must not throw. */
function show(value, options) {
  try {
    return inspect(value, { __proto__: null, showProxy: true, ...options })
  } catch {
    return `[${typeof value} that can't be shown]`
  }
}

function member(error, name) {
  try {
    const value = error[name]
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}

function nameOf(error) {
  const name = member(error, 'name')
  if (name && name !== 'Error') return name
  try {
    const constructor = error.constructor.name
    if (typeof constructor === 'string' && constructor !== '') return constructor
  } catch {}
  return name || 'Error'
}

/** Leaves out the frames of the driver, and those of Node that called into the code. */
function withoutDriver(lines) {
  const kept = []
  for (let index = 0; index < lines.length; index++) {
    if (exec(DRIVER_FRAME, lines[index])) {
      const last = lines[index]
      const tail = endsWith(last, '{') && exec(/\) \{$|\d \{$/, last)
      while (kept.length > 0 && exec(NODE_FRAME, kept[kept.length - 1]) && !nextIsFrame(lines, index)) kept.length--
      if (tail && kept.length > 0) kept[kept.length - 1] += ' {'
      continue
    }
    push(kept, lines[index])
  }
  return kept
}

function nextIsFrame(lines, index) {
  for (let at = index + 1; at < lines.length; at++) {
    if (!exec(FRAME, lines[at])) return false
    if (!exec(DRIVER_FRAME, lines[at]) && !exec(NODE_FRAME, lines[at])) return true
  }
  return false
}

/** The line of `source` with a caret under the place, numbers from 0. */
function pointAt(source, name, line, column) {
  const shown = split(source, '\n')[line]
  if (shown === undefined || shown.length > 500) return [`${name}:${line + 1}:${column + 1}`]
  return [`${name}:${line + 1}`, shown, replace(text(shown, 0, column), /[^\t]/g, ' ') + '^', '']
}

/** What is shown of an error, as lines. */
function linesOf(error, name, value) {
  let shown
  try {
    // An error whose stack is something else shows nothing of what it says.
    if (member(error, 'stack') !== undefined) shown = inspect(error, { __proto__: null, showProxy: true })
  } catch {}
  return withoutDriver(split(shown ?? member(error, 'stack') ?? `${name}: ${value}`, '\n'))
}

/** `{ name, value, traceback }` of anything thrown. `cell`: `{ name, source, map }` of the code, `place`: where a syntax error is. */
function describe(thrown, cell, place) {
  if (!types.isNativeError(thrown) && !(typeof thrown === 'object' && thrown !== null && member(thrown, 'stack'))) {
    const value = show(thrown)
    return { name: 'Uncaught', value, traceback: [`Uncaught ${value}`] }
  }
  const name = nameOf(thrown)
  const value = member(thrown, 'message') ?? ''
  let lines = linesOf(thrown, name, value)
  // Node puts an error without frames into brackets.
  if (lines.length === 1 && lines[0][0] === '[') lines[0] = text(lines[0], 1, -1)
  if (place) lines = joinLists(pointAt(cell.source, cell.name, place.line, place.column), lines)
  return { name, value, traceback: lines }
}

module.exports = { describe, pointAt, show }

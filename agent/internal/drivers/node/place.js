'use strict'
// The environment variables and the working directory of one run.

const { keys } = require('safe.js')

/** Sets them, and gives the function that puts them back. Throws, with nothing changed, where the directory can't be entered. */
function enter(cwd, env) {
  let before
  if (cwd !== null && cwd !== undefined) {
    before = current()
    chdir(cwd)
  }
  const names = env ? keys(env) : []
  const old = { __proto__: null }
  for (let index = 0; index < names.length; index++) {
    old[names[index]] = process.env[names[index]]
    process.env[names[index]] = env[names[index]]
  }
  return () => {
    for (let index = 0; index < names.length; index++) {
      const value = old[names[index]]
      if (value === undefined) delete process.env[names[index]]
      else process.env[names[index]] = value
    }
    if (before === undefined) return
    try {
      chdir(before)
    } catch {
      // It is gone: the process stays where it is.
    }
  }
}

const chdir = process.chdir.bind(process)

function current() {
  try {
    return process.cwd()
  } catch {
    return '/'
  }
}

module.exports = { enter }

'use strict'
// The driver's own listeners of the process stay when the code removes all listeners.

const on = process.on.bind(process)
const eventNames = process.eventNames.bind(process)
const rawListeners = process.rawListeners.bind(process)
const removeListener = process.removeListener.bind(process)
const removeAllListeners = process.removeAllListeners.bind(process)
const kept = { __proto__: null }

/** Listens, until the end of the process. */
function listen(event, listener) {
  keep(event, listener)
  on(event, listener)
}

/** Makes a listener stay that is there; without one, none of the event stays. */
function keep(event, listener) {
  kept[event] = listener
}

process.removeAllListeners = function (...events) {
  const all = events.length > 0 ? events : eventNames()
  for (let index = 0; index < all.length; index++) {
    const name = all[index]
    // With these two Node itself watches for signals that somebody listens for.
    if (events.length === 0 && (name === 'newListener' || name === 'removeListener')) continue
    if (!kept[name]) {
      removeAllListeners(name)
      continue
    }
    const listeners = rawListeners(name)
    for (let at = 0; at < listeners.length; at++) if (listeners[at] !== kept[name]) removeListener(name, listeners[at])
  }
  return this
}

module.exports = { keep, listen }

'use strict'
// The one global of the driver: what rewritten code and the inspector's expressions call. Not enumerable, can't be replaced.

const hooks = { __proto__: null }

Object.defineProperty(globalThis, '__k2__', { __proto__: null, value: hooks })

module.exports = hooks

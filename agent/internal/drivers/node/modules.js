'use strict'
// require() and import() of cells: as if each cell were a file in the current working directory.

const Module = require('module')
const path = require('path')
const { pathToFileURL } = require('url')
const hooks = require('hidden.js')
const { Map, SyntaxError, defineProperty, exec, indexOf, joinLists, keys, mapGet, mapSet, push, split } = require('safe.js')

const importers = new Map()
const requires = new Map()

/** Folders of packages beyond those that Node searches: NODE_PATH is for require() only there, npm's global folder for neither. */
function globalFolders() {
  const folders = split(process.env.NODE_PATH || '', path.delimiter)
  const prefixes = [process.env.NPM_CONFIG_PREFIX, process.env.npm_config_prefix, path.resolve(process.execPath, '../..')]
  if (process.env.HOME) push(prefixes, path.join(process.env.HOME, '.local'))
  push(prefixes, '/usr/local')
  for (let index = 0; index < prefixes.length; index++) {
    if (prefixes[index]) push(folders, path.join(prefixes[index], 'lib/node_modules'))
  }
  return folders
}

/** Every folder that may have packages for code that runs here, nearest first, those of Debian last. */
function packageFolders() {
  return joinLists(Module._nodeModulePaths(process.cwd()), globalFolders(), ['/usr/share/nodejs'])
}

/** import() as it is in a file of `folder`: Node resolves it by the name of the module that has it. */
function importerIn(folder) {
  let importer = mapGet(importers, folder)
  if (!importer) {
    const file = path.join(folder, 'cell.cjs')
    const module = new Module(file)
    module.filename = file
    module._compile('module.exports = (name, options) => options ? import(name, options) : import(name)', file)
    importer = module.exports
    mapSet(importers, folder, importer)
  }
  return importer
}

function requireIn(folder) {
  let from = mapGet(requires, folder)
  if (!from) {
    from = Module.createRequire(path.join(folder, 'cell.js'))
    mapSet(requires, folder, from)
  }
  return from
}

function isBare(name) {
  return exec(/^(\.{0,2}\/|\.\.?$|[a-z][a-z0-9+.-]+:)/i, name) === null
}

function isMissing(error, name) {
  if (!error || (error.code !== 'MODULE_NOT_FOUND' && error.code !== 'ERR_MODULE_NOT_FOUND')) return false
  return indexOf(`${error.message}`, `'${name}'`) >= 0 || indexOf(`${error.message}`, `'${split(name, '/')[0]}`) >= 0
}

/** Calls `attempt(folder)` for the working directory, then for the global folders, until one has the package. */
function* places(name) {
  yield process.cwd()
  if (!isBare(name) || Module.builtinModules.includes(name)) return
  const folders = globalFolders()
  for (let index = 0; index < folders.length; index++) {
    if (path.basename(folders[index]) === 'node_modules') yield path.dirname(folders[index])
  }
}

/** require() that looks from where the process is now. */
function makeRequire() {
  const find = (name, use) => {
    let first
    for (const folder of places(name)) {
      try {
        return use(requireIn(folder))
      } catch (error) {
        if (!isMissing(error, name)) throw error
        first = first || error
      }
    }
    throw first
  }
  const require = (name) => (typeof name === 'string' ? find(name, (from) => from(name)) : requireIn(process.cwd())(name))
  const plain = requireIn(process.cwd())
  require.resolve = (name, options) => {
    if (options || typeof name !== 'string') return requireIn(process.cwd()).resolve(name, options)
    return find(name, (from) => from.resolve(name))
  }
  require.resolve.paths = (name) => requireIn(process.cwd()).resolve.paths(name)
  require.cache = plain.cache
  require.extensions = plain.extensions
  return require
}

/** import() that looks from where the process is now. */
async function importModule(specifier, options) {
  const name = `${specifier}`
  let first
  for (const folder of places(name)) {
    try {
      return await importerIn(folder)(name[0] === '/' ? pathToFileURL(name).href : name, options)
    } catch (error) {
      if (!isMissing(error, name)) throw error
      first = first || error
    }
  }
  // NODE_PATH may also name folders that aren't called node_modules, and only require() knows those.
  try {
    return await importerIn(process.cwd())(pathToFileURL(globalThis.require.resolve(name)).href, options)
  } catch {
    throw first
  }
}

/** What an import statement binds: `names` must be there, also as members of what a CommonJS module exports. */
async function importNames(specifier, options, names) {
  const namespace = await importModule(specifier, options)
  const bound = { __proto__: null }
  for (let index = 0; index < names.length; index++) {
    const name = names[index]
    const from = namespace.default
    if (name in namespace) bound[name] = namespace[name]
    else if (from !== null && (typeof from === 'object' || typeof from === 'function') && name in from) bound[name] = from[name]
    else if (hooks.lenientImports) bound[name] = undefined
    else throw new SyntaxError(`The requested module '${specifier}' does not provide an export named '${name}'`)
  }
  return bound
}

/** import.meta of a cell. */
function meta() {
  const filename = path.join(process.cwd(), 'cell.js')
  const url = pathToFileURL(filename).href
  const resolve = (name) => {
    if (isBare(name)) {
      const found = globalThis.require.resolve(name)
      return path.isAbsolute(found) ? pathToFileURL(found).href : `node:${found.replace(/^node:/, '')}`
    }
    return new URL(name, url).href
  }
  return { __proto__: null, dirname: process.cwd(), filename, url, resolve, main: true }
}

/** Defines require, module, exports, __filename and __dirname, and what rewritten import statements call. */
function install() {
  hooks.import = importModule
  hooks.importNames = importNames
  hooks.meta = meta
  const require = makeRequire()
  const module = new Module(path.join(process.cwd(), 'cell.js'))
  module.filename = module.id
  module.paths = Module._nodeModulePaths(process.cwd())
  require.main = module
  const values = { require, module, exports: module.exports }
  const names = keys(values)
  for (let index = 0; index < names.length; index++) {
    const name = names[index]
    defineProperty(globalThis, name, { __proto__: null, configurable: true, writable: true, value: values[name] })
  }
  const places = { __dirname: () => process.cwd(), __filename: () => path.join(process.cwd(), 'cell.js') }
  const place = keys(places)
  for (let index = 0; index < place.length; index++) {
    defineProperty(globalThis, place[index], {
      __proto__: null,
      configurable: true,
      get: places[place[index]],
      set: (value) => defineProperty(globalThis, place[index], { __proto__: null, configurable: true, writable: true, value }),
    })
  }
}

module.exports = { install, packageFolders }

'use strict'
// TypeScript to JavaScript, by the fastest means that there is: Node's own type stripping (22.13), esbuild, the typescript package.

const Module = require('module')
const { Error, SyntaxError, bufferFrom, exec, includes, parse, push, split, text } = require('safe.js')

// Code without any of these is the same in both languages.
const TYPED =
  /[:<!@?]|\b(?:as|satisfies|interface|type|enum|declare|abstract|namespace|module|implements|private|public|protected|readonly|override|import|export|accessor)\b/
const DECORATOR = /(?:^|[\s(])@[\p{ID_Start}$_(]/mu
const OPTIONS = '{"compilerOptions":{"verbatimModuleSyntax":true}}'

let compilers

/** Thrown where nothing can erase types. */
function unavailable() {
  const error = new Error(
    "TypeScript needs Node 22.13 or later, the program 'esbuild', or the package 'typescript' " +
      '(npm install -g esbuild, or use javascript)',
  )
  error.name = 'TypeScriptUnavailable'
  error.stack = `${error.name}: ${error.message}`
  return error
}

function mapOf(encoded) {
  return new Module.SourceMap(typeof encoded === 'string' ? parse(encoded) : encoded)
}

/** Splits `//# sourceMappingURL=data:…` off. */
function withMap(output) {
  const found = exec(/\n?\/\/# sourceMappingURL=data:application\/json(?:;charset=[^;,]*)?;base64,([A-Za-z0-9+/=]+)\s*$/, output)
  if (!found) return { code: output }
  return { code: text(output, 0, found.index), map: mapOf(`${bufferFrom(found[1], 'base64')}`) }
}

function syntaxError(message, line, column) {
  const error = new SyntaxError(message)
  error.stack = `SyntaxError: ${message}`
  return { error, place: line === undefined ? undefined : { line, column } }
}

/** Node's own, without the warning that it is experimental. */
function byNode(code) {
  const strip = (options) => {
    const { emitWarning } = process
    process.emitWarning = () => {}
    try {
      return Module.stripTypeScriptTypes(code, options)
    } finally {
      process.emitWarning = emitWarning
    }
  }
  try {
    return { code: strip({ mode: 'strip' }) }
  } catch (error) {
    if (error.code !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') throw placed(error)
    try {
      return withMap(strip({ mode: 'transform', sourceMap: true }))
    } catch (second) {
      // A version without this mode: whatever else is there may do it.
      if (second.code === 'ERR_INVALID_ARG_VALUE') throw { other: true, ...placed(error) }
      throw placed(second)
    }
  }
}

/** Node's error with the place that its stack begins with: `:2`, lines, a caret. */
function placed(error) {
  const found = exec(/^[^\n]*:(\d+)\n[^]*?\n([^\S\n]*)\^\n/, `${error.stack}`)
  return found ? syntaxError(brief(error), found[1] - 1, found[2].length) : syntaxError(brief(error))
}

function brief(error) {
  const lines = split(`${error.message}`, '\n')
  for (let index = 0; index < lines.length; index++) {
    const said = exec(/^\s*[x×]\s+(.*)/, lines[index])
    if (said) return said[1]
  }
  return lines[0]
}

/** The esbuild program: about 10 ms a call, and nothing stays in memory. */
function byEsbuild(code) {
  const args = ['--loader=ts', '--target=es2022', '--sourcemap=inline', '--sources-content=false', '--log-level=error', '--log-limit=1', '--color=false']
  const { spawnSync } = require('child_process')
  const done = spawnSync('esbuild', [...args, `--tsconfig-raw=${OPTIONS}`], {
    input: code,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    cwd: '/',
    timeout: 60_000,
  })
  if (done.error) throw done.error
  if (done.status === 0) return withMap(done.stdout)
  const found = exec(/ERROR[\]:]*\s*(.*)\n+\s*<stdin>:(\d+):(\d+)/, done.stderr)
  const other = exec(/<stdin>:(\d+):(\d+): ERROR: (.*)/, done.stderr)
  if (other) throw syntaxError(other[3], other[1] - 1, +other[2])
  if (found) throw syntaxError(found[1], found[2] - 1, +found[3])
  throw syntaxError(split(`${done.stderr}`, '\n')[0])
}

function byTypescript(ts) {
  return (code) => {
    const { ModuleKind, ScriptTarget, flattenDiagnosticMessageText } = ts
    const done = ts.transpileModule(code, {
      reportDiagnostics: true,
      fileName: 'cell.ts',
      compilerOptions: {
        module: ModuleKind.ESNext,
        target: ScriptTarget.ES2022,
        useDefineForClassFields: true,
        verbatimModuleSyntax: true,
        inlineSourceMap: true,
      },
    })
    const wrong = done.diagnostics && done.diagnostics[0]
    if (wrong) {
      const place = wrong.file ? wrong.file.getLineAndCharacterOfPosition(wrong.start) : undefined
      throw syntaxError(flattenDiagnosticMessageText(wrong.messageText, '\n'), place && place.line, place && place.character)
    }
    return withMap(done.outputText)
  }
}

/** The means that this image has, quickest first, each with what it can do. Looked for once, at the first typed cell. */
function find() {
  const found = []
  if (typeof Module.stripTypeScriptTypes === 'function') push(found, { erase: byNode, decorators: false })
  const { spawnSync } = require('child_process')
  const esbuild = spawnSync('esbuild', ['--version'], { stdio: 'ignore', cwd: '/', timeout: 10_000 })
  if (!esbuild.error && esbuild.status === 0) push(found, { erase: byEsbuild, decorators: true })
  try {
    const ts = globalThis.require.resolve('typescript')
    // From 7 on the package has no functions to call.
    const usable = exec(/^[1-6]\./, Module.createRequire(ts)('typescript/package.json').version) !== null
    let loaded
    const erase = (code) => {
      loaded = loaded || byTypescript(Module.createRequire(ts)(ts))
      return loaded(code)
    }
    if (usable) push(found, { erase, decorators: true })
  } catch {}
  return found
}

/** `{ code, map }` of TypeScript `source`; throws `{ error, place }`. Without `map`, positions are the same. */
function erase(source) {
  if (exec(TYPED, source) === null) return { code: source }
  // A search that an image without any would repeat: something may be installed between two cells.
  if (!compilers || compilers.length === 0) compilers = find()
  if (compilers.length === 0) throw { error: unavailable() }
  const decorated = includes(source, '@') && exec(DECORATOR, source) !== null
  let last
  for (let index = 0; index < compilers.length; index++) {
    const compiler = compilers[index]
    if (decorated && !compiler.decorators && index < compilers.length - 1) continue
    try {
      return compiler.erase(source)
    } catch (thrown) {
      if (!thrown.other) throw thrown
      last = thrown
    }
  }
  throw last
}

module.exports = { erase }

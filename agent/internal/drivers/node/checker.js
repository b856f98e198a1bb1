'use strict'
// Checks the types of cells with the TypeScript compiler of the image. It is no part of the driver but a program of its own, which
// typecheck.js starts: it takes 100 MB or more, and blocks while it works. Arguments: the compiler's file, folders of packages.
// One JSON object a line: in `{ id, name, folder, code, earlier: [{ name, folder, code }] }`, `earlier` being what ran since the last
// request; out `{ id, problems }`, each problem `{ message, lines }`.
//
// Each cell is a file of its own, which imports what it uses of earlier ones: so a name may be declared anew, and places are those of the cell.

const fs = require('fs')
const path = require('path')
const { builtinModules } = require('module')
const { createInterface } = require('readline')

const IDLE_MS = 60_000
const MAX_PROBLEMS = 20
const MAX_MESSAGE = 2000
const NO_DECLARATIONS = 7016 // A package without types is `any`: nobody can write them in a cell.

const [compiler, ...packages] = process.argv.slice(1)
process.on('SIGINT', () => {}) // It is for the run.
const ts = require(compiler)
const files = new Map() // path → text, of what is not on the disk
const parsed = new Map() // path → source file, of what does not change
const declared = new Map() // name → { file, how }, of the cells so far
const roots = new Set() // files that declare something everywhere
let program

/** The file of a cell: in the folder that it ran in, so that its imports are found from there. */
function fileOf({ name, folder }) {
  return path.join(folder, `.k2-${name}`)
}

/** What a cell declares at its top level: name → 'let', 'const', or 'alias' for what can't be assigned to or is a type. */
function namesOf(source) {
  const names = new Map()
  const bind = (name, how) => {
    if (ts.isIdentifier(name)) names.set(name.text, how)
    else for (const element of name.elements) if (element.name) bind(element.name, how)
  }
  const declare = (list) => {
    const how = list.flags & ts.NodeFlags.Const ? 'const' : 'let'
    for (const { name } of list.declarations) bind(name, how)
  }
  const variables = (node) => {
    if (ts.isFunctionLike(node) || ts.isClassLike(node) || ts.isModuleDeclaration(node)) return
    // `var` belongs to the cell from any depth.
    if (ts.isVariableDeclarationList(node) && !(node.flags & ts.NodeFlags.BlockScoped)) declare(node)
    ts.forEachChild(node, variables)
  }
  for (const statement of source.statements) {
    if (ts.isVariableStatement(statement)) declare(statement.declarationList)
    else if (ts.isFunctionDeclaration(statement) && statement.name) bind(statement.name, 'let')
    else if (ts.isImportDeclaration(statement)) {
      const { name, namedBindings } = statement.importClause ?? {}
      if (name) bind(name, 'alias')
      if (namedBindings) for (const { name } of namedBindings.elements ?? [namedBindings]) bind(name, 'alias')
    } else if (statement.name && ts.isIdentifier(statement.name)) bind(statement.name, 'alias')
    variables(statement)
  }
  return names
}

/** The names that a cell exports itself. */
function exportsOf(source) {
  const names = new Set()
  for (const statement of source.statements) {
    const clause = ts.isExportDeclaration(statement) ? statement.exportClause : undefined
    if (clause) for (const { name } of clause.elements ?? [clause]) names.add(name.text)
    const exported = ts.canHaveModifiers?.(statement) && ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
    if (exported) for (const name of namesOf({ statements: [statement] }).keys()) names.add(name)
  }
  return names
}

/** Makes the file of a cell: its code, and behind it what it needs of earlier cells and gives to later ones. */
function add(cell) {
  const file = fileOf(cell)
  const source = ts.createSourceFile(file, cell.code, ts.ScriptTarget.ESNext, true)
  const names = namesOf(source)
  const exported = exportsOf(source)
  const lines = ['']
  for (const word of new Set(cell.code.match(/[\p{ID_Start}$_][\p{ID_Continue}$]*/gu))) {
    const from = declared.get(word)
    if (!from || names.has(word)) continue
    const specifier = JSON.stringify(from.file.slice(0, -'.ts'.length))
    // An import can't be assigned to, a variable of an earlier cell can.
    lines.push(from.how === 'alias' ? `import { ${word} } from ${specifier};` : `declare ${from.how} ${word}: typeof import(${specifier}).${word};`)
  }
  lines.push(`export { ${[...names.keys()].filter((name) => !exported.has(name)).join(', ')} };`)
  files.set(file, cell.code + lines.join('\n'))
  parsed.delete(file)
  const everywhere = source.statements.some((one) => ts.isModuleDeclaration(one) && (ts.isStringLiteral(one.name) || ts.isGlobalScopeAugmentation?.(one)))
  return { file, names, everywhere, syntax: source.parseDiagnostics }
}

/** For cells of later requests. */
function keep(cell) {
  const { file, names, everywhere } = add(cell)
  if (everywhere) roots.add(file)
  for (const [name, how] of names) declared.set(name, { file, how })
}

/** The folder that has the declarations of Node. */
function nodeTypes(folder) {
  const roots = []
  for (let at = folder; ; at = path.dirname(at)) {
    roots.push(path.join(at, 'node_modules'))
    if (at === path.dirname(at)) break
  }
  return [...roots, ...packages].map((root) => path.join(root, '@types')).find((root) => fs.existsSync(path.join(root, 'node/package.json')))
}

/** What the driver defines, and where nothing declares Node's own, that as `any`. */
function globals(withNode) {
  const lines = ['declare var display: any;']
  if (!withNode) {
    lines.push('declare var process: any, Buffer: any, global: any, require: any, module: any, exports: any, __dirname: string, __filename: string;')
    lines.push('declare function setImmediate(callback: (...args: any[]) => void, ...args: any[]): any; declare function clearImmediate(immediate: any): void;')
    for (const name of builtinModules) lines.push(`declare module ${JSON.stringify(name)}; declare module ${JSON.stringify(`node:${name}`)};`)
  }
  return lines.join('\n')
}

function optionsFor(types) {
  const { ModuleKind, ModuleResolutionKind, ScriptTarget } = ts
  return {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    target: ScriptTarget.ESNext,
    module: ModuleKind.ESNext,
    moduleResolution: ModuleResolutionKind.Bundler ?? ModuleResolutionKind.NodeJs,
    esModuleInterop: true,
    resolveJsonModule: true,
    allowImportingTsExtensions: true,
    lib: ['lib.esnext.d.ts', ...(types ? [] : ['lib.dom.d.ts'])],
    types: types ? ['node'] : [],
    typeRoots: types ? [types] : [],
  }
}

function hostFor(options, folder) {
  const host = ts.createCompilerHost(options, true)
  const { fileExists, readFile, getSourceFile } = host
  const resolve = (name, file) => {
    const found = ts.resolveModuleName(name, file, options, host).resolvedModule
    if (found || /^\.{0,2}\//.test(name)) return found
    for (const folder of packages) {
      // Only in a folder of this name does the compiler look for packages.
      const inside = path.basename(folder) === 'node_modules'
      const tries = inside ? [[name, path.join(folder, '../cell.ts')]] : [folder, path.join(folder, '@types')].map((root) => [path.join(root, name), file])
      for (const [wanted, from] of tries) {
        const there = ts.resolveModuleName(wanted, from, options, host).resolvedModule
        if (there) return there
      }
    }
  }
  host.getCurrentDirectory = () => folder
  host.fileExists = (file) => files.has(file) || fileExists(file)
  host.readFile = (file) => files.get(file) ?? readFile(file)
  host.getSourceFile = (file, ...more) => {
    if (parsed.has(file)) return parsed.get(file)
    const source = files.has(file) ? ts.createSourceFile(file, files.get(file), ts.ScriptTarget.ESNext, true) : getSourceFile(file, ...more)
    // Files of the user may change between two cells, those of packages and of the compiler hardly.
    if (files.has(file) || /\.d\.[cm]?ts$/.test(file)) parsed.set(file, source)
    return source
  }
  host.resolveModuleNames = (names, file) => names.map((name) => resolve(name, file))
  host.resolveModuleNameLiterals = (literals, file) => literals.map(({ text }) => ({ resolvedModule: resolve(text, file) }))
  return host
}

/** What is wrong with a cell, in the order of its text. */
function check(cell) {
  const { file, syntax } = add(cell)
  try {
    if (syntax.length > 0) return syntax
    const types = nodeTypes(cell.folder)
    const extra = path.join(cell.folder, '.k2-globals.d.ts')
    files.set(extra, globals(types !== undefined))
    parsed.delete(extra)
    const options = optionsFor(types)
    program = ts.createProgram({ rootNames: [extra, ...roots, file], options, host: hostFor(options, cell.folder), oldProgram: program })
    const wrong = program.getSemanticDiagnostics(program.getSourceFile(file))
    return wrong.filter(({ start, code }) => start < cell.code.length && code !== NO_DECLARATIONS)
  } finally {
    // Only a cell that ran is there for the next.
    files.delete(file)
    parsed.delete(file)
  }
}

function cut(text) {
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text
}

function problem({ start, length, code, messageText }, cell) {
  const message = cut(ts.flattenDiagnosticMessageText(messageText, '\n').replaceAll('.k2-cell-', 'cell-'))
  const before = cell.code.slice(0, start).split('\n')
  const line = cell.code.split('\n')[before.length - 1]
  const column = before.at(-1).length
  const lines = [`${cell.name}:${before.length}:${column + 1} - error TS${code}: ${message}`]
  if (line.length <= 500) {
    const marked = Math.max(1, Math.min(length, line.length - column))
    lines.push(line, line.slice(0, column).replace(/[^\t]/g, ' ') + '~'.repeat(marked))
  }
  return { message, lines }
}

function answer({ id, earlier, ...cell }) {
  for (const one of earlier) keep(one)
  const wrong = check(cell)
  const problems = wrong.slice(0, MAX_PROBLEMS).map((one) => problem(one, cell))
  if (wrong.length > MAX_PROBLEMS) problems.push({ message: '', lines: [`… and ${wrong.length - MAX_PROBLEMS} more`] })
  return { id, problems }
}

let idle
createInterface({ input: process.stdin })
  .on('line', (line) => {
    clearTimeout(idle)
    const request = JSON.parse(line)
    let said
    try {
      said = answer(request)
    } catch (error) {
      said = { id: request.id, failed: `${error && error.stack}`.slice(0, MAX_MESSAGE) }
    }
    process.stdout.write(`${JSON.stringify(said)}\n`)
    // Its memory is worth more than the second that the next start costs.
    idle = setTimeout(() => process.exit(), IDLE_MS)
  })
  .on('close', () => process.exit())

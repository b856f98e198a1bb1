'use strict'
// Statements of a cell that a script may not contain, or not twice, made into others. Lines keep their numbers.
//
// A `const` becomes `let`, so that a later cell may declare the name with `let` and change it: V8 has no way from the one to the other.
// A cell that changes its own constant keeps it, and fails as it should.

const { exec, includes, indexOf, join, max, push, repeat, split, startsWith, text } = require('safe.js')

const WORD = /[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/uy
const SPACE = /\s+/y
const LINE_COMMENT = /\/\/[^\n]*/y
const BLOCK_COMMENT = /\/\*[^]*?(?:\*\/|$)/y
const STRING = /'(?:[^'\\\n]|\\[^])*'?|"(?:[^"\\\n]|\\[^])*"?/y
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y
const NUMBER = /\.?\d[\w.]*/y
// After these words a slash begins a regular expression.
const OPERATORS = /^(?:return|typeof|case|in|of|delete|void|throw|new|else|do|await|yield|instanceof)$/

const IMPORT = /import\b(?:([\s\w$*{},\u0080-\uffff'"-]|\/\*[^]*?\*\/|\/\/[^\n]*\n)*?(?:\bfrom|[}]\s*from))?\s*('[^'\n]*'|"[^"\n]*")(?:\s*(?:with|assert)\s*(\{[^}]*\}))?[ \t]*;?/y
const EXPORT_LIST = /export\s*(?:\{[^}]*\}|\*(?:\s*as\s+[\w$]+)?)(?:\s*from\s*('[^'\n]*'|"[^"\n]*")(?:\s*(?:with|assert)\s*\{[^}]*\})?)?[ \t]*;?/y
const EXPORT_DEFAULT_NAMED = /export\s+default\s+(?=(?:async\s+)?function\s*\*?\s*[\w$]+|(?:abstract\s+)?class\s+(?!extends\b)[\w$]+)/y
const EXPORT_DEFAULT = /export\s+default\b/y
const EXPORT = /export\s+(?=(?:const|let|var|function|class|async|abstract)\b)/y

const CONSTANT = /const\s*(?:[[{]|([\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*)\s*=)/uy
const PART = /[\p{ID_Continue}$.]/u
const ASSIGNMENT = /\s*(?:(?:[-+*/%&^|]|\*\*|&&|\|\||\?\?|<<|>>>?)?=(?![=>])|\+\+|--)/y
const STEP = /(?:\+\+|--)\s*$/

function match(pattern, code, at) {
  pattern.lastIndex = at
  return exec(pattern, code)
}

/** `code` with its import and export statements, import(), import.meta and constants replaced; the same string where there are none. */
function rewrite(code) {
  return scan(code, (text, at, word, depth, begins) =>
    word === 'const' ? (depth === 0 && begins ? changeConstant(text, at) : undefined) : changeModules(text, at, word, depth),
  )
}

/** What to put for the `const` at `at`, of the same length. */
function changeConstant(code, at) {
  const declared = match(CONSTANT, code, at)
  if (!declared || (declared[1] && isAssigned(code, declared[1]))) return undefined
  return { end: at + 5, text: 'let  ', value: false, begins: false }
}

/** Whether more than one place of `code` looks as if it changed `name`. */
function isAssigned(code, name) {
  let count = 0
  for (let at = indexOf(code, name); at >= 0; at = indexOf(code, name, at + name.length)) {
    if (at > 0 && exec(PART, code[at - 1]) !== null) continue
    if (match(ASSIGNMENT, code, at + name.length) || exec(STEP, text(code, max(0, at - 10), at)) !== null) count++
  }
  return count > 1
}

/** `code` with its first declarations of `name` at the top level made with `keyword` (let, const, var). */
function redeclare(code, name, keyword) {
  return scan(code, (text, at, word, depth, begins) => {
    if (depth > 0 || !begins) return undefined
    const pattern = match(/(?:const|let|var)\s*(?=([[{][^;]*?[\]}])\s*=)/y, text, at)
    if (pattern && names(pattern[1], name)) return { end: at + word.length, text: keyword, value: false, begins: false }
    const found = match(/(?:const|let|var)\s+(?=([^\s=;,:()[\]{}]+))|(class)\s+([^\s{]+)|(?:async\s+)?(function)\s*\*?\s*([^\s(]+)/y, text, at)
    if (!found || (found[1] || found[3] || found[5]) !== name) return undefined
    if (found[1]) return { end: at + word.length, text: keyword, value: false, begins: false }
    return { end: at + word.length, text: `${keyword} ${name} = ${word}`, value: false, begins: false }
  })
}

/** Whether `name` is one of the words in `pattern`. */
function names(pattern, name) {
  for (let at = 0; at < pattern.length; at++) {
    const word = match(WORD, pattern, at)
    if (!word) continue
    if (word[0] === name) return true
    at += word[0].length - 1
  }
  return false
}

/** `code` with the words changed for which `change(code, at, word, depth, begins)` gives `{ end, text, value, begins }`. */
function scan(code, change) {
  const parts = []
  let copied = 0
  let at = 0
  let depth = 0
  let value = false // whether what came before ends a value, so that a slash divides
  let member = false // after a dot
  let begins = true // whether a statement may begin here
  const templates = [] // depths at which a template's expression ends
  const put = (from, to, replacement) => {
    push(parts, text(code, copied, from), replacement)
    copied = to
  }
  const skipTemplate = () => {
    for (; at < code.length; at++) {
      if (code[at] === '\\') at++
      else if (code[at] === '`') {
        at++
        value = true
        return
      } else if (code[at] === '$' && code[at + 1] === '{') {
        at += 2
        push(templates, depth)
        value = false
        return
      }
    }
  }
  while (at < code.length) {
    const char = code[at]
    const skipped = match(SPACE, code, at) || (char === '/' && (match(LINE_COMMENT, code, at) || match(BLOCK_COMMENT, code, at)))
    if (skipped) {
      at += skipped[0].length
      begins = begins || (value && includes(skipped[0], '\n'))
      continue
    }
    const word = match(WORD, code, at)
    if (word) {
      const changed = member ? undefined : change(code, at, word[0], depth, begins)
      begins = false
      if (changed) {
        put(at, changed.end, changed.text)
        at = changed.end
        value = changed.value
        begins = changed.begins !== false
      } else {
        at += word[0].length
        value = member || exec(OPERATORS, word[0]) === null
      }
      member = false
      continue
    }
    const literal =
      (char === "'" || char === '"' ? match(STRING, code, at) : null) ||
      match(NUMBER, code, at) ||
      (char === '/' && !value ? match(REGEX, code, at) : null)
    if (literal) {
      at += literal[0].length
      begins = false
      value = true
      member = false
      continue
    }
    at++
    member = char === '.' && code[at] !== '.' && code[at - 2] !== '.'
    if (char === '`') skipTemplate()
    else if (char === '}' && templates.length > 0 && templates[templates.length - 1] === depth) {
      templates.length--
      skipTemplate()
    } else {
      if (char === '{' || char === '(' || char === '[') depth++
      if (char === '}' || char === ')' || char === ']') depth--
      value = char === ')' || char === ']' || char === '}'
      begins = char === ';' || char === '}'
    }
  }
  if (copied === 0) return code
  push(parts, text(code, copied))
  return join(parts, '')
}

/** What to put for the word at `at`: `{ end, text, value }`, or nothing. */
function changeModules(code, at, word, depth) {
  if (word === 'import') {
    const next = match(/import\s*([(.])/y, code, at)
    if (match(/import\s*\([^()]*\)[^\S\n]*\{/y, code, at)) return undefined // a method
    if (next && next[1] === '(') return { end: at + 6, text: '__k2__.import', value: true }
    if (next) {
      const meta = match(/import\s*\.\s*meta\b/y, code, at)
      return meta ? { end: at + meta[0].length, text: '__k2__.meta()', value: true } : undefined
    }
    if (depth > 0) return undefined
    const statement = match(IMPORT, code, at)
    if (!statement) return undefined
    return { end: at + statement[0].length, text: importing(statement[0], statement[2], statement[3]), value: false }
  }
  if (word !== 'export' || depth > 0) return undefined
  const list = match(EXPORT_LIST, code, at)
  if (list) {
    const lines = newlines(list[0])
    return { end: at + list[0].length, text: (list[1] ? `const {} = await __k2__.import(${list[1]});` : ';') + lines, value: false }
  }
  const named = match(EXPORT_DEFAULT_NAMED, code, at) || match(EXPORT, code, at)
  if (named) return { end: at + named[0].length, text: newlines(named[0]), value: false }
  const value = match(EXPORT_DEFAULT, code, at)
  if (value) return { end: at + value[0].length, text: newlines(value[0]) + '0,', value: false }
  return undefined
}

function newlines(piece) {
  return repeat('\n', split(piece, '\n').length - 1)
}

/** The statement that binds what an import statement binds. */
function importing(statement, specifier, attributes) {
  const options = attributes ? `{ with: ${attributes} }` : 'undefined'
  const end = newlines(statement)
  const clause = exec(/^import\b([^]*?)\bfrom\s*['"][^]*$|^import\b([^]*?\})\s*from\s*['"][^]*$/, withoutComments(statement))
  if (!clause) return `const {} = await __k2__.import(${specifier}, ${options});${end}`
  const bindings = clause[1] ?? clause[2]
  const names = []
  const targets = []
  const braces = exec(/\{([^]*)\}/, bindings)
  const outside = exec(/^\s*([^\s{},*]+)/, bindings)
  const star = exec(/\*\s*as\s+([^\s,{}]+)/, bindings)
  const bind = (name, target) => {
    push(names, name)
    push(targets, `${name}: ${target}`)
  }
  if (outside) bind('"default"', outside[1])
  const listed = braces ? split(braces[1], ',') : []
  for (let index = 0; index < listed.length; index++) {
    const item = exec(/^\s*(?:type\s+(?!as\b))?('[^']*'|"[^"]*"|[^\s]+)(?:\s+as\s+([^\s]+))?\s*$/, listed[index])
    if (!item) continue
    const name = startsWith(item[1], "'") || startsWith(item[1], '"') ? item[1] : `"${item[1]}"`
    bind(name, item[2] || item[1])
  }
  const all = star ? `const ${star[1]} = await __k2__.import(${specifier}, ${options});` : ''
  if (names.length === 0) return (all || `const {} = await __k2__.import(${specifier}, ${options});`) + end
  const some = `const { ${join(targets, ', ')} } = await __k2__.importNames(${specifier}, ${options}, [${join(names, ', ')}]);`
  return all + some + end
}

function withoutComments(piece) {
  let clean = ''
  for (let at = 0; at < piece.length; ) {
    const literal = match(STRING, piece, at)
    const comment = literal ? null : match(LINE_COMMENT, piece, at) || match(BLOCK_COMMENT, piece, at)
    clean += comment ? ' ' : literal ? literal[0] : piece[at]
    at += comment ? comment[0].length : literal ? literal[0].length : 1
  }
  return clean
}

module.exports = { redeclare, rewrite }

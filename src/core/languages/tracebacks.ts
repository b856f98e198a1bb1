import type { CodeError } from '../model.ts'

/**
 * Python: the last block that starts with "Traceback (most recent call last):", a group of exceptions, or a lone SyntaxError,
 * which has no such line.
 */
export function pythonError(stderr: string): CodeError | null {
  const lines = stderr.trimEnd().split('\n')
  const first = lines.lastIndexOf('Traceback (most recent call last):')
  const group = lines.lastIndexOf('  + Exception Group Traceback (most recent call last):')
  if (group > first) return exceptionGroup(lines.slice(group))
  const start = first >= 0 ? first : lines.findLastIndex((line) => /^ {2}File ".*", line \d+$/.test(line))
  if (start < 0) return null
  // The frames are indented; the first line after them that is not names the exception. Its value may go on below.
  const named = lines.findIndex((line, index) => index > start && /^[A-Za-z_]/.test(line))
  const match = named < 0 ? null : /^([\w.]+)(?:: ?(.*))?$/s.exec(lines.slice(named).join('\n'))
  if (!match?.[1]) return null
  return { name: match[1], value: match[2] ?? '', traceback: lines.slice(start) }
}

/** Its lines stand behind a `|`, its members deeper. */
function exceptionGroup(traceback: string[]): CodeError | null {
  const named = traceback
    .map((line) => /^ {2}\| ([A-Za-z_][\w.]*)(?:: (.*))?$/.exec(line))
    .find((match) => match !== null)
  return named?.[1] === undefined ? null : { name: named[1], value: named[2] ?? '', traceback }
}

/**
 * Node: source line, caret, blank line, then `Name: value` and `    at …` frames, `Node.js v…` at the end. A line that only
 * looks like a name, without frames and without that end, is the program's own.
 */
export function nodeError(stderr: string): CodeError | null {
  const lines = stderr.trimEnd().split('\n')
  const last = lines.findLastIndex((line) => /^Node\.js v\d/.test(line))
  const uncaught = lines.slice(0, last < 0 ? undefined : last)
  const named = uncaught.findLastIndex((line) => /^(?:Uncaught )?[A-Z]\w*(?: \[\w+\])?(?::|$)/.test(line))
  const block = named < 0 ? [] : uncaught.slice(named)
  const frames = block.findIndex((line) => /^\s+at /.test(line))
  if (frames < 0) return last < 0 ? null : thrownValue(uncaught)
  const head = block.slice(0, frames).join('\n').trimEnd()
  const match = /^(?:Uncaught )?([A-Z]\w*)(?: \[\w+\])?(?:: ?(.*))?$/s.exec(head)
  if (!match?.[1]) return null
  const traceback = block.map((line) => line.trimEnd()).filter((line) => line !== '')
  return { name: match[1], value: match[2] ?? '', traceback }
}

/** `throw` of something that is no Error: it is printed below the caret, without frames. */
function thrownValue(lines: string[]): CodeError {
  const below = lines.slice(lines.findLastIndex((line) => /^\s*\^+$/.test(line)) + 1)
  const hint = below.findIndex((line) => line.startsWith('(Use `node --trace-uncaught'))
  const value = below
    .slice(0, hint < 0 ? undefined : hint)
    .join('\n')
    .trim()
  return { name: 'Error', value: value.replace(/^Uncaught:?\s*/, ''), traceback: lines.filter((line) => line !== '') }
}

/** Ruby: `file:line:in 'method': value (Name)`, frames below. */
export function rubyError(stderr: string): CodeError | null {
  const lines = stderr.trimEnd().split('\n')
  const start = lines.findIndex((line) => /^\S+:\d+:in .*\([A-Z][\w:]*\)$/.test(line))
  const match = start < 0 ? null : /:in [^:]*: (.*) \(([A-Z][\w:]*)\)$/.exec(lines[start] ?? '')
  if (!match) return null
  return { name: match[2] ?? 'Error', value: match[1] ?? '', traceback: lines.slice(start) }
}

/** Java: `Exception in thread "main" name: value`, frames below. */
export function javaError(stderr: string): CodeError | null {
  const lines = stderr.trimEnd().split('\n')
  const start = lines.findIndex((line) => line.startsWith('Exception in thread '))
  const match = start < 0 ? null : /^Exception in thread "[^"]*" ([\w.$]+)(?:: (.*))?$/.exec(lines[start] ?? '')
  if (!match) return null
  return { name: match[1] ?? 'Exception', value: match[2] ?? '', traceback: lines.slice(start) }
}

/** Compilers: the first line that says `error`; notes and sources follow it. */
export function compilerError(stderr: string): CodeError | null {
  const line = stderr.split('\n').find((one) => /(?:^|[\s:[])(?:fatal )?error(?:\[\w+\])?[:\]]/i.test(one))
  return line === undefined ? null : { name: 'CompileError', value: line.trim(), traceback: null }
}

/** TypeScript that Node was to strip and can't. */
export function oldNodeError(stderr: string): CodeError | null {
  if (!/bad option: --experimental-strip-types/.test(stderr)) return null
  const value =
    'this image has none of esbuild, tsx and deno, and its Node is older than 22.6: TypeScript needs one of them'
  return { name: 'LanguageUnavailable', value, traceback: null }
}

/** Shells: below a syntax error stands the line that has it. */
export function shellError(stderr: string): CodeError | null {
  const line = stderr.split('\n').findLast((one) => /: (?:syntax error|unexpected EOF)/i.test(one))
  return line === undefined ? null : { name: 'SyntaxError', value: line.trim(), traceback: null }
}

/** What every language gives: the last line that says something. */
export function lastLine(stderr: string, exitCode: number): CodeError {
  const line = stderr.trimEnd().split('\n').at(-1)?.trim()
  return { name: 'ExitError', value: line || `the program ended with exit code ${exitCode}`, traceback: null }
}

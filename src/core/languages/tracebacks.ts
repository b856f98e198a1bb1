import type { CodeError } from '../model.ts'

/** Python: the last block that starts with "Traceback (most recent call last):", or a lone SyntaxError, which has no such line. */
export function pythonError(stderr: string): CodeError | null {
  const lines = stderr.trimEnd().split('\n')
  const first = lines.lastIndexOf('Traceback (most recent call last):')
  const start = first >= 0 ? first : lines.findLastIndex((line) => /^ {2}File ".*", line \d+$/.test(line))
  if (start < 0) return null
  // The frames are indented; the first line after them that is not names the exception. Its value may go on below.
  const named = lines.findIndex((line, index) => index > start && /^[A-Za-z_]/.test(line))
  const match = named < 0 ? null : /^([\w.]+)(?:: ?(.*))?$/s.exec(lines.slice(named).join('\n'))
  if (!match?.[1]) return null
  return { name: match[1], value: match[2] ?? '', traceback: lines.slice(start) }
}

/** Node: source line, caret, blank line, then `Name: value` and `    at …` frames, `Node.js v…` at the end. */
export function nodeError(stderr: string): CodeError | null {
  const lines = stderr.trimEnd().split('\n')
  const named = lines.findLastIndex((line) => /^(?:Uncaught )?[A-Z]\w*(?: \[\w+\])?(?::|$)/.test(line) && !line.startsWith('Node.js'))
  if (named < 0) return lines.some((line) => line.startsWith('Uncaught')) ? thrownValue(lines) : null
  const end = lines.findIndex((line, index) => index > named && /^Node\.js v/.test(line))
  const block = lines.slice(named, end < 0 ? undefined : end)
  const frames = block.findIndex((line) => /^\s+at /.test(line))
  const head = block.slice(0, frames < 0 ? undefined : frames).join('\n').trimEnd()
  const match = /^(?:Uncaught )?([A-Z]\w*)(?: \[\w+\])?(?:: ?(.*))?$/s.exec(head)
  if (!match?.[1]) return null
  const traceback = block.map((line) => line.trimEnd()).filter((line) => line !== '')
  return { name: match[1], value: match[2] ?? '', traceback }
}

function thrownValue(lines: string[]): CodeError {
  const line = lines.find((candidate) => candidate.startsWith('Uncaught')) ?? ''
  return { name: 'Error', value: line.replace(/^Uncaught:?\s*/, ''), traceback: lines }
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

/** What every language gives: the last line that says something. */
export function lastLine(stderr: string, exitCode: number): CodeError {
  const line = stderr.trimEnd().split('\n').at(-1)?.trim()
  return { name: 'ExitError', value: line || `the program ended with exit code ${exitCode}`, traceback: null }
}

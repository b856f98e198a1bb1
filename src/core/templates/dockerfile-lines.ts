import { SandboxError } from '../../errors.ts'

/** One instruction: its lines joined, without comments, and the texts that were given to it in place (`<<EOF`). */
export interface Instruction {
  /** Where it begins, from 1. */
  line: number
  /** In capitals. */
  name: string
  /** All behind the name. */
  rest: string
  heredocs: Heredoc[]
}

export interface Heredoc {
  name: string
  content: string
  /** Its name was not quoted: variables in it are put in. */
  expand: boolean
  /** The lines as they were written, with the one that ends it. */
  raw: string
}

/** DOCKERFILE_INVALID with the line, the fact and what to do. */
export function invalidAt(line: number | null, message: string): SandboxError {
  return new SandboxError('DOCKERFILE_INVALID', line === null ? message : `Dockerfile, line ${line}: ${message}`)
}

const WITH_HEREDOCS = new Set(['RUN', 'COPY'])

export function instructionsOf(text: string): Instruction[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const found: Instruction[] = []
  let at = 0
  while (at < lines.length) {
    const first = at
    const said: string[] = []
    for (let more = true; more && at < lines.length; at++) {
      const line = lines[at] ?? ''
      if (first === at && /^\s*#\s*escape\s*=\s*[^\\\s]/i.test(line) && found.length === 0)
        throw invalidAt(at + 1, 'another escape character than \\ is not supported; write continued lines with \\')
      if (/^\s*(#|$)/.test(line)) {
        // Inside of a continued line comments and empty lines count for nothing.
        if (said.length === 0) more = false
        continue
      }
      more = /\\[ \t]*$/.test(line)
      said.push(more ? line.replace(/\\[ \t]*$/, '') : line)
    }
    const joined = said.join('').trim()
    if (joined === '') continue
    const [, name = '', rest = ''] = /^(\S+)\s*([\s\S]*)$/.exec(joined) ?? []
    const instruction: Instruction = { line: first + 1, name: name.toUpperCase(), rest, heredocs: [] }
    if (WITH_HEREDOCS.has(instruction.name)) at = readHeredocs(instruction, lines, at)
    found.push(instruction)
  }
  return found
}

/** Takes the lines of each `<<NAME` of the instruction; gives the line after the last of them. */
function readHeredocs(instruction: Instruction, lines: string[], from: number): number {
  let at = from
  for (const { name, quoted, tabs } of heredocNames(instruction.rest)) {
    const begin = at
    const ends = (line: string) => (tabs ? line.replace(/^\t+/, '') : line) === name
    while (at < lines.length && !ends(lines[at] ?? '')) at++
    if (at >= lines.length)
      throw invalidAt(instruction.line, `the text after <<${name} has no end; write ${name} alone on a line after it`)
    const body = lines.slice(begin, at).map((line) => `${tabs ? line.replace(/^\t+/, '') : line}\n`)
    const raw = lines.slice(begin, at + 1).join('\n')
    instruction.heredocs.push({ name, content: body.join(''), expand: !quoted, raw })
    at++
  }
  return at
}

function* heredocNames(rest: string): Generator<{ name: string; quoted: boolean; tabs: boolean }> {
  // What stands in quotes begins none, as little as `<<<` and `1<<2`.
  const outside = /"(?:[^"\\]|\\.)*"|'[^']*'|\\.|(?<!<)<<(-?)(?:(["'])([A-Za-z_][\w.-]*)\2|([A-Za-z_][\w.-]*))/gs
  for (const [, tabs, quote, quotedName, plainName] of rest.matchAll(outside)) {
    const name = quotedName ?? plainName
    if (name !== undefined) yield { name, quoted: quote !== undefined, tabs: tabs === '-' }
  }
}

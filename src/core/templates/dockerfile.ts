import { type Instruction, instructionsOf, invalidAt } from './dockerfile-lines.ts'
import { expandWords } from './expand.ts'
import { type Command, MOST_STEPS, type PlacedStep, type Recipe, type Step } from './step.ts'

/** Instructions that this server does not follow, and what to do instead. */
const REFUSED: Record<string, string> = {
  ADD: 'use COPY for files that you send, RUN curl (or wget) for what is on the net, and RUN tar for archives',
  ONBUILD: 'write what it should do into the Dockerfile that begins with this one',
  VOLUME: 'leave it out: all files of a sandbox are kept with it',
  HEALTHCHECK: "leave it out and give the template's `ready` instead",
  SHELL: 'call the other shell in RUN, as RUN ["bash", "-c", "…"]',
  STOPSIGNAL: 'leave it out: processes get SIGTERM and, after the grace, SIGKILL',
}

/** Reads a Dockerfile of one stage. DOCKERFILE_INVALID with the line and what to do. */
export function readDockerfile(text: string): Recipe {
  let from: { words: string; line: number } | null = null
  const globals: Recipe['globals'] = []
  const steps: PlacedStep[] = []
  for (const instruction of instructionsOf(text)) {
    const { line, name } = instruction
    if (name === 'FROM') {
      if (from !== null)
        throw invalidAt(
          line,
          'a second FROM: builds of several stages are not supported; build the first stage as a template of its own and begin with it',
        )
      from = { words: readFrom(instruction), line }
      continue
    }
    const read = stepsOf(instruction)
    if (from === null) {
      for (const step of read) {
        if (step.kind !== 'arg') throw invalidAt(line, `${name} before FROM; begin with FROM and an image`)
        globals.push({ name: step.name, fallback: step.fallback })
      }
      continue
    }
    const written = instruction.heredocs.map(({ raw }) => `\n${raw}`).join('')
    for (const step of read) steps.push({ ...step, line, text: `${name} ${instruction.rest}${written}`, words: true })
    if (steps.length > MOST_STEPS) throw invalidAt(line, `more than ${MOST_STEPS} steps; join some RUN lines with &&`)
  }
  if (from === null) throw invalidAt(null, 'the Dockerfile has no FROM; begin it with FROM and an image')
  return { from: from.words, globals, steps }
}

function readFrom({ line, rest }: Instruction): string {
  const { flags, words } = withFlags(rest)
  for (const flag of flags.keys())
    throw invalidAt(line, `FROM --${flag} is not supported; leave it out: sandboxes run on this machine's platform`)
  const parts = words.split(/\s+/)
  const [image = '', as, name, ...more] = parts
  const named = as === undefined || (as.toLowerCase() === 'as' && name !== undefined && more.length === 0)
  if (image === '' || !named) throw invalidAt(line, 'FROM takes one image, as FROM debian:trixie-slim')
  return image
}

function stepsOf(instruction: Instruction): Step[] {
  const { line, name, rest } = instruction
  const refused = REFUSED[name]
  if (refused !== undefined) throw invalidAt(line, `${name} is not supported; ${refused}`)
  if (rest === '') throw invalidAt(line, `${name} needs something behind it`)
  switch (name) {
    case 'RUN':
      return [readRun(instruction)]
    case 'COPY':
      return [readCopy(instruction)]
    case 'ENV':
      return [{ kind: 'env', pairs: readPairs(instruction) }]
    case 'LABEL':
      return [{ kind: 'label', pairs: readPairs(instruction) }]
    case 'MAINTAINER':
      return [{ kind: 'label', pairs: [['maintainer', rest]] }]
    case 'ARG':
      return readArgs(instruction)
    case 'WORKDIR':
      return [{ kind: 'workdir', path: rest }]
    case 'USER':
      return [{ kind: 'user', user: rest }]
    case 'CMD':
      return [{ kind: 'cmd', command: readCommand(rest) }]
    case 'ENTRYPOINT':
      return [{ kind: 'entrypoint', command: readCommand(rest) }]
    case 'EXPOSE':
      return [{ kind: 'expose', ports: rest.split(/\s+/) }]
    default:
      throw invalidAt(line, `${name} is no instruction of a Dockerfile; is a line before it not continued with \\ ?`)
  }
}

/** Flags in front, as `--chown=1000`; `words`: what is behind them. */
function withFlags(rest: string): { flags: Map<string, string>; words: string } {
  const flags = new Map<string, string>()
  let words = rest
  for (;;) {
    const flag = /^--([a-z][a-z-]*)(?:=(\S*))?(?:\s+|$)/i.exec(words)
    if (!flag) return { flags, words }
    flags.set((flag[1] ?? '').toLowerCase(), flag[2] ?? '')
    words = words.slice(flag[0].length)
  }
}

function readRun({ line, rest, heredocs }: Instruction): Step {
  const { flags, words } = withFlags(rest)
  for (const flag of flags.keys())
    throw invalidAt(line, `RUN --${flag} is not supported; leave it out: unchanged steps are kept from build to build`)
  if (words === '') throw invalidAt(line, 'RUN needs a command')
  const [only] = heredocs
  // Alone it is the script itself; beside a command the shell reads it.
  if (only !== undefined && heredocs.length === 1 && /^<<-?\s*["']?[\w.-]+["']?$/.test(words))
    return { kind: 'run', command: only.content }
  if (only !== undefined) return { kind: 'run', command: `${words}\n${heredocs.map(({ raw }) => raw).join('\n')}\n` }
  return { kind: 'run', command: readCommand(words) }
}

/** `["program", "argument"]`, or shell text where it is not that. */
function readCommand(words: string): Command {
  if (!words.startsWith('[')) return words
  try {
    const parsed: unknown = JSON.parse(words)
    if (Array.isArray(parsed) && parsed.every((part) => typeof part === 'string')) return parsed as string[]
  } catch {
    // Shell text that begins with a bracket, as a test does.
  }
  return words
}

const COPY_FLAGS: Record<string, string> = {
  from: 'COPY --from is not supported: there is one stage; send the file, or begin with an image that has it',
  exclude: 'COPY --exclude is not supported; send only the files that are wanted',
  parents: 'COPY --parents is not supported; name the target folder of each',
}

function readCopy({ line, rest, heredocs }: Instruction): Step {
  const { flags, words } = withFlags(rest)
  for (const [flag] of flags) {
    if (flag === 'chown' || flag === 'chmod' || flag === 'link') continue
    throw invalidAt(line, COPY_FLAGS[flag] ?? `COPY --${flag} is not known; leave it out`)
  }
  const listed = words.startsWith('[') ? readCommand(words) : words
  const parts = Array.isArray(listed) ? listed.map(asWord) : rawWords(words)
  const target = parts.at(-1)
  const sources = parts.slice(0, -1).filter((part) => !/^<<-?/.test(part))
  if (target === undefined || parts.length < 2)
    throw invalidAt(line, 'COPY takes sources and a target, as COPY app.py /app/')
  const inline = heredocs.map(({ name, content, expand }) => ({ name, content, expand }))
  return {
    kind: 'copy',
    sources,
    inline,
    target,
    owner: flags.get('chown') ?? null,
    mode: readMode(line, flags.get('chmod')),
  }
}

function readMode(line: number, text: string | undefined): number | null {
  if (text === undefined) return null
  if (!/^[0-7]{3,4}$/.test(text))
    throw invalidAt(line, `COPY --chmod takes a mode in octal digits, as 755, not ${text}`)
  return Number.parseInt(text, 8)
}

/** Words as they were written, with their quotes and variables. */
function rawWords(text: string): string[] {
  return text.match(/(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|\$\{[^}]*\}|[^\s"'\\])+/gs) ?? []
}

/** What the JSON form says, so that reading it as a word gives it back; variables are put in there as well. */
const asWord = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`

function readPairs({ line, name, rest }: Instruction): [string, string][] {
  const words = rawWords(rest)
  const first = words[0] ?? ''
  if (!first.includes('=')) {
    // The old form: one name, and all else is its value.
    const value = rest.slice(first.length).trim()
    if (value === '') throw invalidAt(line, `${name} ${first} has no value; write ${name} ${first}=value`)
    return [[first, value]]
  }
  return words.map((word) => {
    const at = word.indexOf('=')
    if (at < 1) throw invalidAt(line, `${word} has no =; write ${name} name=value, and a value with blanks in quotes`)
    return [unquoted(word.slice(0, at)), word.slice(at + 1)]
  })
}

function readArgs({ line, rest }: Instruction): Step[] {
  return rawWords(rest).map((word) => {
    const at = word.indexOf('=')
    const name = at < 0 ? word : word.slice(0, at)
    if (!/^[A-Za-z_]\w*$/.test(name))
      throw invalidAt(line, `${name} can't be the name of an ARG; use letters, digits and _`)
    return { kind: 'arg', name, fallback: at < 0 ? null : word.slice(at + 1) }
  })
}

const unquoted = (word: string) => expandWords(word, () => undefined)[0] ?? ''

import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import type { Template } from '../../engine/types.ts'
import { type BuildState, stateOf } from './build-state.ts'
import { type ContextFile, type Copied, type CopiedFile, copiedFiles, digestOf } from './context-files.ts'
import { invalidAt } from './dockerfile-lines.ts'
import { expandText, expandVariables, expandWords, type Scope } from './expand.ts'
import type { Command, InlineFile, PlacedStep, Recipe } from './step.ts'

/** What is done in the sandbox of a build. */
export type Work =
  | { kind: 'run'; command: Command; env: Record<string, string> }
  | { kind: 'copy'; copied: Copied; target: string; owner: string | null; mode: number | null }

/** A step that changes files, and so gives an image. */
export interface Layer {
  /** Of the step, from 0. */
  step: number
  /** Names the files after it: two layers of one key are the same. */
  key: string
  user: string | null
  workdir: string
  work: Work
}

/** A recipe with all variables put in. */
export interface Plan {
  steps: Pick<PlacedStep, 'line' | 'text'>[]
  layers: Layer[]
  /** After the last step. */
  state: BuildState
}

export interface PlanOptions {
  base: Pick<Template, 'imageId' | 'env' | 'user' | 'workdir'>
  files: readonly ContextFile[]
  buildArgs: Record<string, string>
}

/** The image to begin with. DOCKERFILE_INVALID when its variables come to nothing. */
export function fromOf({ from, globals, steps }: Recipe, buildArgs: Record<string, string>): string {
  const values = globalValues(globals, buildArgs)
  const [image] = expandWords(from, (name) => values.get(name))
  if (image) return image
  throw invalidAt(steps[0]?.line ?? null, `FROM ${from} comes to nothing; give a value for its ARG in build_args`)
}

/** Names of build_args that no ARG takes. */
export function unusedArgs({ globals, steps }: Recipe, buildArgs: Record<string, string>): string[] {
  const declared = new Set(globals.map(({ name }) => name))
  for (const step of steps) if (step.kind === 'arg') declared.add(step.name)
  return Object.keys(buildArgs).filter((name) => !declared.has(name))
}

/** Pure: nothing of what it plans depends on what a step does. DOCKERFILE_INVALID. */
export function planBuild(recipe: Recipe, { base, files, buildArgs }: PlanOptions): Plan {
  const globals = globalValues(recipe.globals, buildArgs)
  const layers: Layer[] = []
  let state = stateOf(base)
  let key = hash('base', base.imageId)
  for (const [index, step] of recipe.steps.entries()) {
    if (step.kind !== 'run' && step.kind !== 'copy') {
      state = after(step, state, { globals, buildArgs })
      continue
    }
    const { user, workdir } = state
    const work = workOf(step, state, files)
    key = hash(key, JSON.stringify([user, workdir, shortened(work)]))
    layers.push({ step: index, key, user, workdir, work })
  }
  return { steps: recipe.steps.map(({ line, text }) => ({ line, text })), layers, state }
}

function globalValues(globals: Recipe['globals'], buildArgs: Record<string, string>): Map<string, string> {
  const values = new Map<string, string>()
  for (const { name, fallback } of globals) {
    const value =
      buildArgs[name] ?? (fallback === null ? undefined : expandText(fallback, (other) => values.get(other)))
    if (value !== undefined) values.set(name, value)
  }
  return values
}

function scopeOf({ env, args }: BuildState): Scope {
  return (name) => (Object.hasOwn(env, name) ? env[name] : Object.hasOwn(args, name) ? args[name] : undefined)
}

type Meta = Exclude<PlacedStep, { kind: 'run' | 'copy' }>

interface Given {
  globals: Map<string, string>
  buildArgs: Record<string, string>
}

function after(step: Meta, state: BuildState, { globals, buildArgs }: Given): BuildState {
  const scope = scopeOf(state)
  const text = (value: string) => (step.words ? expandText(value, scope) : value)
  switch (step.kind) {
    case 'env':
      return { ...state, env: { ...state.env, ...variables(step.pairs, text, step.line) } }
    case 'label':
      return {
        ...state,
        labels: { ...state.labels, ...Object.fromEntries(step.pairs.map(([name, value]) => [name, text(value)])) },
      }
    case 'arg': {
      const given = Object.hasOwn(buildArgs, step.name) ? buildArgs[step.name] : undefined
      const value = given ?? (step.fallback === null ? globals.get(step.name) : text(step.fallback))
      return value === undefined ? state : { ...state, args: { ...state.args, [step.name]: value } }
    }
    case 'workdir': {
      const path = text(step.path)
      if (path === '') throw invalidAt(step.line, `WORKDIR ${step.path} comes to nothing; give a folder`)
      return { ...state, workdir: posix.resolve(state.workdir, path) }
    }
    case 'user': {
      const user = text(step.user)
      if (!/^[A-Za-z0-9_][\w.-]{0,31}(:[A-Za-z0-9_][\w.-]{0,31})?$/.test(user))
        throw invalidAt(step.line, `"${user}" can't be a USER; give a name or uid, with :group if wanted`)
      return { ...state, user }
    }
    case 'cmd':
      return { ...state, cmd: step.command }
    case 'entrypoint':
      // As in images: a new ENTRYPOINT takes the CMD of before away.
      return { ...state, entrypoint: step.command, cmd: null }
    case 'expose':
      return {
        ...state,
        ports: [...new Set([...state.ports, ...step.ports.flatMap((port) => words(step, port, scope))])],
      }
  }
}

const words = (step: Meta, value: string, scope: Scope) => (step.words ? expandWords(value, scope) : [value])

function variables(
  pairs: [string, string][],
  text: (value: string) => string,
  line: number | null,
): Record<string, string> {
  for (const [name] of pairs)
    if (!/^[^=\0\s]{1,256}$/.test(name)) throw invalidAt(line, `"${name}" can't be the name of an ENV variable`)
  return Object.fromEntries(pairs.map(([name, value]) => [name, text(value)]))
}

function workOf(
  step: Extract<PlacedStep, { kind: 'run' | 'copy' }>,
  state: BuildState,
  files: readonly ContextFile[],
): Work {
  // Of variables the shell takes care.
  if (step.kind === 'run') return { kind: 'run', command: step.command, env: { ...state.args, ...state.env } }
  const scope = scopeOf(state)
  const text = (value: string) => (step.words ? expandText(value, scope) : value)
  const sources = step.sources.map(text)
  const named = copiedFiles(files, sources, step.line)
  const inline = step.inline.map((file) => inlineFile(file, scope))
  const written = text(step.target)
  const all = {
    files: [...named.files, ...inline],
    intoFolder: named.intoFolder || inline.length + named.files.length > 1,
  }
  const target = posix.resolve(state.workdir, written)
  const intoFolder = all.intoFolder || /(^|\/)\.?\.?$/.test(written)
  return {
    kind: 'copy',
    copied: { files: all.files, intoFolder },
    target,
    owner: step.owner && text(step.owner),
    mode: step.mode,
  }
}

function inlineFile({ name, content, expand }: InlineFile, scope: Scope): CopiedFile {
  const text = expand ? expandVariables(content, scope) : content
  return { name, content: Buffer.from(text).toString('base64'), mode: 0o644 }
}

/** What the work comes down to, with files by their digest. */
function shortened(work: Work): unknown {
  if (work.kind === 'run') return work
  return { ...work, copied: [work.copied.intoFolder, digestOf(work.copied.files)] }
}

function hash(...parts: string[]): string {
  const sum = createHash('sha256')
  for (const part of parts) sum.update(`${part.length}:${part}`)
  return sum.digest('hex')
}

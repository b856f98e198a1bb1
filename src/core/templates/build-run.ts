import type { ProcessStatus } from '../../agent/types.ts'
import type { Template } from '../../engine/types.ts'
import { SandboxError } from '../../errors.ts'
import type { BuildLog } from './build-log.ts'
import { BuildSandbox, type BuildSandboxParts } from './build-sandbox.ts'
import type { LayerImages } from './layer-images.ts'
import type { LayerRecord, LayerRegistry } from './layer-registry.ts'
import type { BuildFailure, BuildSource } from './model.ts'
import { fromOf, type Layer, type Plan, planBuild } from './plan.ts'
import { recipeOf } from './recipe.ts'
import type { BuiltState, Made } from './template-record.ts'
import type { TemplateRegistry } from './template-registry.ts'

export interface BuildParts extends BuildSandboxParts {
  images: LayerImages
  layers: LayerRegistry
  templates: TemplateRegistry
  limits: { timeoutMs: number; addedBytes: number }
}

/** One run of a build: what is to be done, and where what happens goes. */
export interface BuildJob {
  template: string
  source: BuildSource
  noCache: boolean
  log: BuildLog
  /** Durable when it returns. */
  onProgress(progress: { step: number; steps: number; cached: number }): void
  signal: AbortSignal
}

export interface Built {
  from: string
  made: Made
  state: BuiltState
  sizeBytes: number
}

/** Why a build failed, and at which step. */
export class BuildFault extends Error {
  override readonly name = 'BuildFault'
  readonly failure: BuildFailure

  constructor(failure: BuildFailure, cause: unknown) {
    super(failure.message, { cause })
    this.failure = failure
  }
}

/** From here on a step's files lie in an image of their own, instead of in each of the later ones again. */
const FRESH_SANDBOX_BYTES = 64 * 1024 * 1024
const MOST_TEXT = 2000
const TAIL_LENGTH = 4000

/**
 * Does the steps of a recipe in a sandbox and keeps the files after each that changes some. Steps that were done before, after the
 * same steps and upon the same image, are not done again. BuildFault, and the signal's reason. The image is held by `keep` until
 * the caller has written down that it is needed.
 */
export async function runBuild(parts: BuildParts, job: BuildJob, keep: (hold: Disposable) => void): Promise<Built> {
  const { templates, layers } = parts
  const { source, signal, log } = job
  const at: Position = { step: null }
  try {
    const recipe = recipeOf(source)
    const from = fromOf(recipe, source.buildArgs)
    const { template: base } = await templates.resolve(from, { signal })
    const below = layers.all().find(({ ref }) => ref === base.imageId)
    if (below) keep(layers.hold(below.id))
    for (const path of base.volumes)
      log.add({
        type: 'note',
        text: `${from} declares ${path} as a VOLUME: what steps write there is not kept\n`,
        timestampMs: Date.now(),
      })
    const plan = planBuild(recipe, { base, files: source.files, buildArgs: source.buildArgs })
    const { args: _, ...state } = plan.state
    if (plan.layers.length === 0) {
      showSteps(job, plan, { after: -1, upTo: plan.steps.length, cached: false })
      return { from, made: madeOfBase(parts, from, below), state, sizeBytes: below?.addedBytes ?? 0 }
    }
    const layer = await doSteps(parts, job, plan, base, { from, at, keep })
    return { from, made: { kind: 'layer', id: layer.id }, state, sizeBytes: layer.addedBytes }
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw error instanceof BuildFault ? error : new BuildFault(failureOf(error, at.step, log), error)
  }
}

interface Position {
  /** Which is being done. */
  step: (Pick<Plan['steps'][number], 'line' | 'text'> & { number: number }) | null
}

/** A recipe that changes no file. */
function madeOfBase({ templates }: BuildParts, from: string, below: LayerRecord | undefined): Made {
  if (below) return { kind: 'layer', id: below.id }
  return templates.find(from)?.made ?? { kind: 'image', reference: from }
}

async function doSteps(
  parts: BuildParts,
  job: BuildJob,
  plan: Plan,
  base: Template,
  { from, at, keep }: { from: string; at: Position; keep: (hold: Disposable) => void },
): Promise<LayerRecord> {
  const { images, layers } = parts
  const { template, signal, source } = job
  let done = await longestCached(parts, job, plan)
  let image = done?.image ?? base
  let belowBytes = done?.layer.addedBytes ?? 0
  let last = done?.layer ?? null
  if (done) keep(layers.hold(done.layer.id))
  showSteps(job, plan, {
    after: -1,
    upTo: (done?.layer ? (plan.layers[done.index]?.step ?? -1) : -1) + 1,
    cached: true,
  })
  let sandbox: BuildSandbox | null = null
  try {
    for (const [index, layer] of plan.layers.entries()) {
      if (done && index <= done.index) continue
      const before = plan.layers[index - 1]?.step ?? -1
      showSteps(job, plan, { after: before, upTo: layer.step + 1, cached: false })
      const step = plan.steps[layer.step]
      at.step = { number: layer.step + 1, line: step?.line ?? null, text: step?.text ?? '' }
      const { resources = {}, network = 'internet' } = source.limits
      sandbox ??= await BuildSandbox.open(parts, { template: image, resources, network, signal })
      await doStep(parts, job, sandbox, layer)
      const isLast = index === plan.layers.length - 1
      const { args: _, env, ...said } = plan.state
      const final = isLast ? { ...said, from } : null
      const state = { env, user: layer.user, workdir: layer.workdir }
      const made = { key: layer.key, template, state, belowBytes, final }
      last = await images.commit(sandbox.record, made, { signal })
      keep(layers.hold(last.id))
      requireWithin(parts, last)
      if (!isLast && last.ownBytes > FRESH_SANDBOX_BYTES) {
        sandbox[Symbol.dispose]()
        sandbox = null
        image = await parts.engine.resolveImage(last.ref ?? '', template, { signal })
        belowBytes = last.addedBytes
      }
    }
  } finally {
    sandbox?.[Symbol.dispose]()
    done = null
  }
  at.step = null
  showSteps(job, plan, { after: plan.layers.at(-1)?.step ?? -1, upTo: plan.steps.length, cached: false })
  if (last === null) throw new SandboxError('INTERNAL', 'a build with steps has made no image')
  return last
}

/** The latest of the plan's layers that is there already. */
async function longestCached({ images }: BuildParts, { noCache, template, signal }: BuildJob, { layers }: Plan) {
  if (noCache) return null
  for (const [index, { key }] of [...layers.entries()].reverse()) {
    const found = await images.cached(key, template, { signal })
    if (found) return { ...found, index }
  }
  return null
}

async function doStep(
  parts: BuildParts,
  { log, signal }: BuildJob,
  sandbox: BuildSandbox,
  layer: Layer,
): Promise<void> {
  const { work } = layer
  if (work.kind === 'copy') return await sandbox.copy({ work }, { signal })
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() }
  const step = layer.step + 1
  const onOutput = (stream: 'stdout' | 'stderr', bytes: Uint8Array) => {
    const text = decoders[stream].decode(bytes, { stream: true })
    if (text !== '') log.add({ type: stream, step, text, timestampMs: Date.now() })
  }
  const status = await sandbox.run({ ...layer, work }, { signal, timeoutMs: parts.limits.timeoutMs, onOutput })
  if (status.exitCode !== 0 || status.reason !== 'exited') throw new StepEnded(status)
}

class StepEnded extends Error {
  readonly status: ProcessStatus

  constructor(status: ProcessStatus) {
    super(sentenceOf(status))
    this.status = status
  }
}

function sentenceOf({ reason, exitCode, signal }: ProcessStatus): string {
  if (reason === 'out_of_memory')
    return 'the step used more memory than the build has; give it more resources.memory_mb'
  if (reason === 'signaled' || reason === 'killed') return `the step was ended by ${signal ?? 'a signal'}`
  return `the step ended with exit code ${exitCode}; see its output`
}

function requireWithin({ limits }: BuildParts, { addedBytes }: LayerRecord): void {
  if (addedBytes <= limits.addedBytes) return
  const [added, most] = [addedBytes, limits.addedBytes].map((bytes) => Math.round(bytes / 1024 / 1024))
  throw new SandboxError(
    'NO_SPACE_IN_SANDBOX',
    `the template adds ${added} MiB to its image, this server allows ${most} (K2_MAX_TEMPLATE_MB); remove what is not needed in the step that writes it`,
  )
}

/** Tells the steps between two places. */
function showSteps(
  { log, onProgress }: BuildJob,
  { steps }: Plan,
  { after, upTo, cached }: { after: number; upTo: number; cached: boolean },
): void {
  for (let index = after + 1; index < upTo; index++) {
    const { line, text } = steps[index] ?? { line: null, text: '' }
    const step = { step: index + 1, steps: steps.length }
    log.add({ type: 'step', ...step, line, text: text.slice(0, MOST_TEXT), cached, timestampMs: Date.now() })
  }
  if (upTo > after + 1) onProgress({ step: upTo, steps: steps.length, cached: cached ? upTo : -1 })
}

function failureOf(error: unknown, step: Position['step'], log: BuildLog): BuildFailure {
  const ended = error instanceof StepEnded ? error : null
  const output = step === null ? '' : log.tailOf(step.number, TAIL_LENGTH)
  return {
    message: ended?.message ?? SandboxError.from(error).message,
    step: step?.number ?? null,
    line: step?.line ?? null,
    text: step?.text.slice(0, MOST_TEXT) ?? null,
    exitCode: ended?.status.exitCode ?? null,
    output: output === '' ? null : output,
  }
}

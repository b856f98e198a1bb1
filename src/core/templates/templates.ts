import type { Engine } from '../../engine/types.ts'
import { SandboxError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import type { Clock } from '../clock.ts'
import { requireStateful } from '../contexts.ts'
import type { Journal } from '../events/journal.ts'
import type { Log } from '../log.ts'
import type { CallOptions } from '../model.ts'
import { resourcesWithin, type SandboxRules, timeoutWithin } from '../new-record.ts'
import type { Pools } from '../pool/pools.ts'
import type { Built } from './build-run.ts'
import type { Builds } from './builds.ts'
import { copiedFiles } from './context-files.ts'
import type { LayerImages } from './layer-images.ts'
import type { BuildSource, BuildView, CreateTemplate, Rebuild, TemplateSettings, TemplateView } from './model.ts'
import { fromOf } from './plan.ts'
import { recipeOf } from './recipe.ts'
import { type TemplateRecord, toTemplateView, withSettings } from './template-record.ts'
import type { TemplateRegistry } from './template-registry.ts'

export interface TemplatesParts {
  engine: Engine
  store: Store
  templates: TemplateRegistry
  builds: Builds
  images: LayerImages
  pools: Pools
  journal: Pick<Journal, 'append'>
  rules: SandboxRules
  clock: Clock
  log: Log
  /** How many there may be. */
  most: number
}

/** Names for images with what their sandboxes begin with: images of the engine, or such that are built here. */
export class Templates {
  readonly #parts: TemplatesParts

  constructor(parts: TemplatesParts) {
    this.#parts = parts
  }

  /** An image is looked for before this resolves; a build is queued. TEMPLATE_EXISTS, TEMPLATE_NOT_FOUND, DOCKERFILE_INVALID… */
  async create(
    request: CreateTemplate,
    { signal }: CallOptions = {},
  ): Promise<{ template: TemplateView; build: BuildView | null }> {
    const { engine, templates, builds, clock } = this.#parts
    const { name, image, source, noCache = false } = request
    if ((image === undefined) === (source === undefined))
      throw new SandboxError('INVALID_REQUEST', 'give one of image, dockerfile, or from with steps')
    this.#requireFree(name)
    this.#requireValid(request)
    if (request.poolSize) this.#parts.pools.requireRoom(name, request.poolSize)
    const { steps, from } = source ? this.#check(source, name) : { steps: 0, from: image ?? '' }
    if (source) builds.requireRoom(name)
    if (image === name)
      throw new SandboxError(
        'INVALID_REQUEST',
        'a template can not be called as its own image; write the image with its tag',
      )
    if (image !== undefined) await engine.resolveTemplate(image, { signal })
    this.#requireFree(name)
    const now = clock.now()
    const record: TemplateRecord = {
      name,
      description: '',
      from,
      built: source !== undefined,
      made: image === undefined ? null : { kind: 'image', reference: image },
      state: null,
      sizeBytes: 0,
      lost: false,
      defaults: {},
      poolSize: 0,
      startCommand: null,
      ready: null,
      createdAt: now,
      updatedAt: now,
    }
    const build = this.#parts.store.transaction(() => {
      templates.save(withSettings(record, request))
      if (source === undefined) return null
      templates.saveSource(name, source)
      return builds.start(name, { noCache, steps })
    })
    if (build === null) await this.#pool(name, { signal })
    return { template: this.get(name), build }
  }

  /** TEMPLATE_NOT_FOUND */
  get(name: string): TemplateView {
    return toTemplateView(this.#parts.templates.require(name), this.#parts.builds.latest(name))
  }

  /** Oldest first. */
  list(): TemplateView[] {
    return this.#parts.templates.all().map(({ name }) => this.get(name))
  }

  /** Holds for sandboxes that are made from then on. */
  async change(name: string, settings: TemplateSettings, { signal }: CallOptions = {}): Promise<TemplateView> {
    const { templates, clock } = this.#parts
    this.#requireValid(settings)
    if (settings.poolSize) this.#parts.pools.requireRoom(name, settings.poolSize)
    templates.save({ ...withSettings(templates.require(name), settings), updatedAt: clock.now() })
    await this.#pool(name, { signal })
    return this.get(name)
  }

  /** Builds it anew; until that is done its sandboxes are as before. What is absent of the source stays. */
  rebuild(name: string, { source: changes, noCache = false }: Rebuild): BuildView {
    const { templates, builds, store } = this.#parts
    const record = templates.require(name)
    const before = templates.sourceOf(name)
    if (!record.built)
      throw new SandboxError('INVALID_REQUEST', `the template "${name}" is a name of ${record.from} and is not built`)
    const source = mergedSource(before ?? NO_SOURCE, changes)
    const { steps } = this.#check(source, name)
    builds.requireRoom(name)
    return store.transaction(() => {
      templates.saveSource(name, source)
      return builds.start(name, { noCache, steps })
    })
  }

  /** Gone for every caller at once, with its builds; its sandboxes live on, and its image as long as one of them. */
  async remove(name: string): Promise<void> {
    const { templates, builds, images, pools, store, journal } = this.#parts
    templates.require(name)
    if (pools.isFor(name)) pools.remove(name)
    const ended = builds.forget(name)
    store.transaction(() => {
      templates.remove(name)
      journal.append({ type: 'template.deleted', sandboxId: null, data: { template: name } })
    })
    await ended
    images.doomOrphans()
  }

  /** A build is done. */
  built(name: string, { from, made, state, sizeBytes }: Built): void {
    const { templates, clock, log } = this.#parts
    const record = templates.find(name)
    if (record === undefined) return
    templates.save({ ...record, from, made, state, sizeBytes, lost: false, updatedAt: clock.now() })
    void this.#pool(name, {}).catch((err: unknown) =>
      log.warn({ template: name, err }, 'could not make the pool of a template'),
    )
  }

  /** A pool of the same name keeps some of them ready. */
  async #pool(name: string, { signal }: CallOptions): Promise<void> {
    const { templates, pools } = this.#parts
    const record = templates.find(name)
    if (record === undefined || record.made === null) return
    if (record.poolSize === 0) {
      if (pools.isFor(name)) pools.remove(name)
      return
    }
    const { resources, network, prestart } = record.defaults
    await pools.define(name, { template: name, size: record.poolSize, resources, network, prestart }, { signal })
  }

  #requireFree(name: string): void {
    const { templates, most } = this.#parts
    if (templates.find(name))
      throw new SandboxError(
        'TEMPLATE_EXISTS',
        `a template named "${name}" exists; choose another name, rebuild it or delete it`,
      )
    if (templates.size >= most)
      throw new SandboxError(
        'TEMPLATE_LIMIT_REACHED',
        `this server keeps ${most} templates at most (K2_MAX_TEMPLATES); delete some`,
      )
  }

  /** What a create would refuse is told now. */
  #requireValid({ defaults = {}, ready }: TemplateSettings): void {
    const { rules } = this.#parts
    resourcesWithin(defaults.resources ?? {}, rules)
    timeoutWithin(defaults.timeoutSeconds, rules)
    for (const language of defaults.prestart ?? []) requireStateful(language)
    if (ready && (ready.command === undefined) === (ready.port === undefined))
      throw new SandboxError('INVALID_REQUEST', 'ready takes a command or a port, one of the two')
  }

  /** All that can be known before the build; gives the number of steps, and what they begin with. */
  #check(source: BuildSource, name: string): { steps: number; from: string } {
    resourcesWithin(source.limits.resources ?? {}, this.#parts.rules)
    const recipe = recipeOf(source)
    // Sources with variables are known when the image's environment is.
    for (const step of recipe.steps)
      if (step.kind === 'copy' && !step.sources.some((one) => /[$"'\\]/.test(one)))
        copiedFiles(source.files, step.sources, step.line)
    const from = fromOf(recipe, source.buildArgs)
    if (from === name)
      throw new SandboxError(
        'INVALID_REQUEST',
        `the template "${name}" can't begin with itself; choose another name, or write the image with its tag`,
      )
    return { steps: recipe.steps.length, from }
  }
}

/** Another Dockerfile takes the place of steps, and steps of a Dockerfile. */
const NO_SOURCE: BuildSource = { files: [], buildArgs: {}, limits: {} }

function mergedSource(before: BuildSource, changes: Partial<BuildSource>): BuildSource {
  const { dockerfile, from, steps, files, buildArgs, limits } = changes
  const recipe =
    dockerfile !== undefined
      ? { dockerfile }
      : from !== undefined || steps !== undefined
        ? { from: from ?? before.from, steps: steps ?? before.steps }
        : { dockerfile: before.dockerfile, from: before.from, steps: before.steps }
  return {
    ...recipe,
    files: files ?? before.files,
    buildArgs: buildArgs ?? (dockerfile === undefined ? before.buildArgs : {}),
    limits: { ...before.limits, ...limits },
  }
}

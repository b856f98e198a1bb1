import type { Engine, Template } from '../../engine/types.ts'
import { isSandboxError, SandboxError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import type { CallOptions, CreateSandbox } from '../model.ts'
import type { LayerRegistry } from './layer-registry.ts'
import type { BuildSource, Startup, TemplateDefaults } from './model.ts'
import { startupOf, type TemplateRecord } from './template-record.ts'

/** What sandboxes are made of that name a template or an image. */
export interface Origin {
  template: Template
  /** Of an image: none. */
  defaults: TemplateDefaults
  startup: Startup | null
}

/** Every template, in memory and in the store, and the way from a name to an image. A change is durable first and visible then. */
export class TemplateRegistry {
  readonly #store: Store
  readonly #engine: Engine
  readonly #layers: LayerRegistry
  readonly #records = new Map<string, TemplateRecord>()

  constructor(parts: { store: Store; engine: Engine; layers: LayerRegistry }) {
    this.#store = parts.store
    this.#engine = parts.engine
    this.#layers = parts.layers
    for (const { name, body } of parts.store.templates.templates())
      this.#records.set(name, JSON.parse(body) as TemplateRecord)
  }

  get size(): number {
    return this.#records.size
  }

  /** Oldest first. */
  all(): TemplateRecord[] {
    return [...this.#records.values()]
  }

  find(name: string): TemplateRecord | undefined {
    return this.#records.get(name)
  }

  /** TEMPLATE_NOT_FOUND */
  require(name: string): TemplateRecord {
    const record = this.#records.get(name)
    if (record !== undefined) return record
    throw new SandboxError('TEMPLATE_NOT_FOUND', `no template is named "${name}"; GET /templates lists those there are`)
  }

  save(record: TemplateRecord): void {
    this.#store.templates.saveTemplate({ name: record.name, body: JSON.stringify(record) })
    this.#records.set(record.name, record)
  }

  remove(name: string): void {
    this.#store.templates.removeTemplate(name)
    this.#records.delete(name)
  }

  sourceOf(name: string): BuildSource | null {
    const text = this.#store.templates.sourceOf(name)
    return text === null ? null : (JSON.parse(text) as BuildSource)
  }

  saveSource(name: string, source: BuildSource): void {
    this.#store.templates.saveSource(name, JSON.stringify(source))
  }

  /**
   * A template of that name, else an image. TEMPLATE_NOT_READY while it has none, TEMPLATE_NOT_FOUND, TEMPLATE_INVALID.
   */
  async resolve(reference: string, { signal }: CallOptions = {}): Promise<Origin> {
    const record = this.#records.get(reference)
    if (record === undefined) {
      return { template: await this.#engine.resolveTemplate(reference, { signal }), defaults: {}, startup: null }
    }
    const image = await this.#imageOf(record, { signal })
    const { state, defaults } = record
    const said = state === null ? {} : { env: state.env ?? image.env, user: state.user, workdir: state.workdir }
    return { template: { ...image, ...said, reference }, defaults, startup: startupOf(record) }
  }

  async #imageOf(record: TemplateRecord, { signal }: CallOptions): Promise<Template> {
    const { name, made } = record
    if (made === null)
      throw new SandboxError(
        'TEMPLATE_NOT_READY',
        `the template "${name}" has no image yet; see its build, and wait for it or rebuild it`,
      )
    if (made.kind === 'image') return await this.#engine.resolveTemplate(made.reference, { signal })
    const ref = this.#layers.refOf(made.id)
    try {
      if (ref !== null) return await this.#engine.resolveImage(ref, name, { signal })
    } catch (error) {
      if (!isSandboxError(error, 'TEMPLATE_NOT_FOUND')) throw error
    }
    this.markLost(name)
    throw new SandboxError(
      'TEMPLATE_NOT_READY',
      `the image of the template "${name}" is not on the engine any more; rebuild it`,
    )
  }

  /** Its image is gone. No-op when it is known, or there is no such template. */
  markLost(name: string): void {
    const record = this.#records.get(name)
    if (record && !record.lost) this.save({ ...record, lost: true })
  }
}

/** A create with what its template has where it says nothing. Environment and limits are joined one by one. */
export function withDefaults(request: CreateSandbox, defaults: TemplateDefaults): CreateSandbox {
  return {
    ...request,
    cwd: request.cwd ?? defaults.cwd,
    user: request.user ?? defaults.user,
    network: request.network ?? (request.egress ? 'none' : defaults.network),
    timeoutSeconds: request.timeoutSeconds ?? defaults.timeoutSeconds,
    onTimeout: request.onTimeout ?? defaults.onTimeout,
    autoResume: request.autoResume ?? defaults.autoResume,
    prestart: request.prestart ?? defaults.prestart,
    envs: { ...defaults.envs, ...request.envs },
    resources: { ...defaults.resources, ...request.resources },
  }
}

import type { Engine, ImageRef, Template } from '../../engine/types.ts'
import { isSandboxError } from '../../errors.ts'
import { newSandboxId } from '../../lib/ids.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { CallOptions } from '../model.ts'
import type { SandboxRecord } from '../record.ts'
import { adoptTemplates, type Final } from './adopt-templates.ts'
import type { BuildState } from './build-state.ts'
import type { LayerRecord, LayerRegistry } from './layer-registry.ts'
import type { TemplateRegistry } from './template-registry.ts'

export interface LayerImagesParts {
  engine: Engine
  layers: LayerRegistry
  templates: TemplateRegistry
  clock: Clock
  log: Log
  /** Of all images that only serve to make builds quicker. */
  cacheBytes: number
}

export interface NewLayer {
  key: string
  template: string
  state: Pick<BuildState, 'env' | 'user' | 'workdir'>
  /** What the image that the sandbox was made of adds to the base. */
  belowBytes: number
  /** null: other steps come after it. */
  final: Final | null
}

/** However small they are. */
const MOST_CACHED = 500
const SWEEP_LIMIT_MS = 120_000

/** Makes the images of builds and removes those that nothing needs any more; what is still in use goes with a later sweep. */
export class LayerImages {
  readonly #parts: LayerImagesParts
  readonly #end = new AbortController()
  #sweeping: Promise<void> | null = null
  #again = false

  constructor(parts: LayerImagesParts) {
    this.#parts = parts
  }

  /** Of a build's sandbox as it is now. Its record is there before the image is, so that a crash leaves none that is unknown. */
  async commit(sandbox: SandboxRecord, layer: NewLayer, { signal }: CallOptions): Promise<LayerRecord> {
    const { engine, layers, clock } = this.#parts
    const { key, template, state, belowBytes, final } = layer
    const now = clock.now()
    const record: LayerRecord = {
      id: newSandboxId(),
      key,
      ref: null,
      template,
      ownBytes: 0,
      addedBytes: 0,
      doomed: false,
      createdAt: now,
      usedAt: now,
    }
    using _ = layers.hold(record.id)
    layers.save(record)
    const spec = {
      kind: 'template' as const,
      id: record.id,
      record: labelOf({ key, template, final }),
      env: state.env,
      workdir: state.workdir,
      ...(state.user !== null && { user: state.user }),
    }
    try {
      const { ref, addedBytes } = await engine.commit(sandbox.id, sandbox.ref ?? '', spec, { signal })
      const made = { ...record, ref, ownBytes: addedBytes, addedBytes: belowBytes + addedBytes }
      layers.save(made)
      return made
    } catch (error) {
      // An image that comes of it after all is removed by its owner, the engine, or as one that has no record here.
      layers.remove(record.id)
      throw error
    }
  }

  /** One made by the same steps before, with the image that it is; null: none, or its image is gone. */
  async cached(
    key: string,
    template: string,
    { signal }: CallOptions,
  ): Promise<{ layer: LayerRecord; image: Template } | null> {
    const { engine, layers, clock } = this.#parts
    const layer = layers.withKey(key)
    if (layer?.ref == null) return null
    try {
      const image = await engine.resolveImage(layer.ref, template, { signal })
      const used = { ...layer, template, usedAt: clock.now() }
      layers.save(used)
      return { layer: used, image }
    } catch (error) {
      if (!isSandboxError(error, 'TEMPLATE_NOT_FOUND')) throw error
      if (!this.#isNeeded(layer.id)) layers.remove(layer.id)
      return null
    }
  }

  /** Images that only builds of deleted templates used go, too. */
  doomOrphans(): void {
    const { layers, templates } = this.#parts
    for (const layer of layers.all())
      if (templates.find(layer.template) === undefined && !this.#isNeeded(layer.id))
        layers.save({ ...layer, doomed: true })
    this.sweep()
  }

  /**
   * Brings records and images to agreement. `atStart`: nothing is being built. `adopt`: the database may be older than the images, so
   * that those which are a template's are taken for that.
   */
  async reconcile({ signal, atStart, adopt }: CallOptions & { atStart: boolean; adopt: boolean }): Promise<void> {
    const { engine, layers, templates, log } = this.#parts
    const known = new Set(layers.all().map(({ id }) => id))
    const images = (await engine.listImages({ signal })).filter(({ kind }) => kind === 'template')
    const found = new Map(images.map(({ id, ref }) => [id, ref]))
    for (const id of known) {
      const layer = layers.find(id)
      if (layer === undefined || layers.isHeld(id)) continue
      const ref = found.get(id)
      if (layer.ref === null) {
        if (!atStart) continue
        // A crash came between the image and its record: whole all the same, but its size is not known.
        if (ref === undefined) layers.remove(id)
        else layers.save({ ...layer, ref, doomed: true })
      } else if (ref === undefined) {
        for (const { name, made } of templates.all())
          if (made?.kind === 'layer' && made.id === id) {
            log.warn({ template: name }, 'the image of a template is not on the engine any more')
            templates.markLost(name)
          }
        layers.remove(id)
      }
    }
    if (adopt)
      adoptTemplates(
        this.#parts,
        images.filter(({ id }) => layers.find(id) === undefined),
      )
    for (const { id, ref } of images) {
      // One that was begun after the list of the known was made has its record by now.
      if (known.has(id) || layers.find(id) !== undefined) continue
      log.info({ image: id }, 'removing an image of a build that nothing knows of')
      await this.#remove(ref, { signal })
    }
    this.sweep()
  }

  /** In the background: all that is doomed or too much. Never rejects. */
  sweep(): void {
    if (this.#end.signal.aborted) return
    this.#again = true
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = null
    })
  }

  async close(): Promise<void> {
    this.#end.abort()
    await this.#sweeping
  }

  async #sweep(): Promise<void> {
    while (this.#again && !this.#end.signal.aborted) {
      this.#again = false
      const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(SWEEP_LIMIT_MS)])
      try {
        for (const layer of this.#superfluous()) {
          if (layer.ref !== null && !(await this.#remove(layer.ref, { signal }))) continue
          this.#parts.layers.remove(layer.id)
        }
      } catch (err) {
        if (!this.#end.signal.aborted)
          this.#parts.log.warn({ err }, 'could not remove images of builds, trying again within a minute')
      }
    }
  }

  /** Latest first: an image goes before those that it was made of. */
  #superfluous(): LayerRecord[] {
    const { layers, cacheBytes } = this.#parts
    const free = layers.all().filter(({ id, ref }) => ref !== null && !this.#isNeeded(id))
    let left = cacheBytes
    const kept = free.filter(({ doomed }) => !doomed).sort((a, b) => b.usedAt - a.usedAt)
    for (const [index, layer] of kept.entries()) {
      left -= layer.ownBytes
      // A step that was done again, as without the cache, takes the place of the one before.
      const isOld = layers.withKey(layer.key)?.id !== layer.id
      if (isOld || left < 0 || cacheBytes === 0 || index >= MOST_CACHED) layers.save({ ...layer, doomed: true })
    }
    return free
      .map(({ id }) => layers.find(id))
      .filter((layer) => layer !== undefined)
      .filter(({ doomed }) => doomed)
      .sort((a, b) => b.createdAt - a.createdAt)
  }

  #isNeeded(id: string): boolean {
    const { layers, templates } = this.#parts
    return layers.isHeld(id) || templates.all().some(({ made }) => made?.kind === 'layer' && made.id === id)
  }

  /** False: something is still made of it. */
  async #remove(ref: ImageRef, { signal }: CallOptions): Promise<boolean> {
    try {
      await this.#parts.engine.removeImage(ref, { signal })
      return true
    } catch (error) {
      if (isSandboxError(error, 'IMAGE_IN_USE')) return false
      throw error
    }
  }
}

/** Of what an engine keeps with an image. */
const LABEL_BYTES = 6000

function labelOf({ key, template, final }: Pick<NewLayer, 'key' | 'template' | 'final'>): string {
  const label = JSON.stringify({ key, template, final })
  return Buffer.byteLength(label) > LABEL_BYTES ? JSON.stringify({ key, template, final: null }) : label
}

import type { EngineImage } from '../../engine/types.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { LayerRegistry } from './layer-registry.ts'
import type { BuiltState } from './template-record.ts'
import type { TemplateRegistry } from './template-registry.ts'

/** What the image of a last step says of its template, so that it is found again without the database. Its ENV says the image itself. */
export interface Final extends Omit<BuiltState, 'env'> {
  from: string
}

export interface AdoptParts {
  layers: LayerRegistry
  templates: TemplateRegistry
  clock: Clock
  log: Log
}

/** Templates that only their images still know of; of several images of one the latest. Their signatures were right, so the texts are ours. */
export function adoptTemplates({ layers, templates, clock, log }: AdoptParts, images: EngineImage[]): void {
  for (const { id, ref, record, createdAt } of images.toSorted((a, b) => b.createdAt - a.createdAt)) {
    const { key, template: name, final } = JSON.parse(record) as { key: string; template: string; final: Final | null }
    if (final === null || templates.find(name)) continue
    const { from, ...said } = final
    const now = clock.now()
    log.warn({ template: name }, 'adopting a template that has no record: its defaults and files are lost')
    layers.save({ id, key, ref, template: name, ownBytes: 0, addedBytes: 0, doomed: false, createdAt, usedAt: now })
    templates.save({
      name,
      description: 'found again without its database record: its defaults and files are lost',
      from,
      built: true,
      made: { kind: 'layer', id },
      state: { ...said, env: null },
      sizeBytes: 0,
      lost: false,
      defaults: {},
      poolSize: 0,
      startCommand: null,
      ready: null,
      createdAt,
      updatedAt: now,
    })
  }
}

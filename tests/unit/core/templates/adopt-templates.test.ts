import { expect, test } from 'vitest'
import { adoptTemplates } from '../../../../src/core/templates/adopt-templates.ts'
import { LayerRegistry } from '../../../../src/core/templates/layer-registry.ts'
import { TemplateRegistry } from '../../../../src/core/templates/template-registry.ts'
import type { Engine, EngineImage } from '../../../../src/engine/types.ts'
import { newSandboxId } from '../../../../src/lib/ids.ts'
import { FakeClock, temporaryStore } from '../records.ts'

const SILENT = { debug() {}, info() {}, warn() {}, error() {} }
const SAID = { from: 'debian', user: 'app', workdir: '/srv', labels: {}, ports: [], cmd: 'serve', entrypoint: null }
const imageOf = (template: string, createdAt: number, final: object | null): EngineImage => ({
  kind: 'template',
  id: newSandboxId(),
  ref: `sha256:${template}${createdAt}`,
  record: JSON.stringify({ key: `${template}${createdAt}`, template, final }),
  createdAt,
})

test('templates without a record are those that their latest image tells of; what is known stays', async () => {
  const { store } = temporaryStore()
  const layers = new LayerRegistry(store)
  const engine = {
    resolveImage: async (imageId: string, reference: string) => ({
      reference,
      imageId,
      env: { PATH: '/bin' },
      user: null,
      workdir: '/',
      volumes: [],
    }),
  } as unknown as Engine
  const templates = new TemplateRegistry({ store, engine, layers })
  const parts = { layers, templates, clock: new FakeClock(), log: SILENT }
  adoptTemplates(parts, [
    imageOf('web', 1, { ...SAID, user: 'old' }),
    imageOf('web', 3, SAID),
    imageOf('web', 4, null),
    imageOf('half', 2, null),
  ])
  expect(templates.all().map(({ name }) => name)).toEqual(['web'])
  expect(layers.all()).toMatchObject([{ ref: 'sha256:web3', key: 'web3' }])
  expect(await templates.resolve('web')).toMatchObject({
    template: { imageId: 'sha256:web3', reference: 'web', env: { PATH: '/bin' }, user: 'app', workdir: '/srv' },
    startup: { command: 'serve', ready: null },
  })
  adoptTemplates(parts, [imageOf('web', 5, { ...SAID, user: 'other' })])
  expect(templates.require('web').state?.user).toBe('app')
})

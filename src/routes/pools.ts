import { PoolDeleted, PoolInfo, PoolList, PoolParams, PoolUpdate } from '../../schemas/pool.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions } from '../core/model.ts'
import type { PoolRequest, PoolState } from '../core/pool/definition.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { resourcesAnswer, toResources } from './resources.ts'

export interface PoolRoutesOptions {
  pools: {
    list(): PoolState[]
    get(name: string): PoolState
    define(name: string, request: PoolRequest, options: CallOptions): Promise<PoolState>
    remove(name: string): void
  }
}

export async function poolRoutes(app: TypedApp, { pools }: PoolRoutesOptions): Promise<void> {
  app.get('/pools', { schema: listPools }, async () => ({ pools: pools.list().map(poolAnswer) }))

  app.get('/pools/:name', { schema: getPool }, async ({ params }) => poolAnswer(pools.get(params.name)))

  app.put('/pools/:name', { schema: putPool }, async ({ params, body }, reply) => {
    const { template, size, network, prestart, resources } = body
    const request = {
      template: template || undefined,
      size,
      network,
      prestart,
      resources: toResources(resources ?? {}),
    }
    return poolAnswer(await pools.define(params.name, request, { signal: clientGone(reply) }))
  })

  app.delete('/pools/:name', { schema: deletePool }, async ({ params: { name } }) => {
    pools.remove(name)
    return { name, status: 'deleted' as const }
  })
}

function poolAnswer({ resources, ...state }: PoolState): PoolInfo {
  return { ...state, resources: resourcesAnswer(resources) }
}

const POOL = {
  name: 'python',
  template: 'python:3.13',
  size: 4,
  network: 'none',
  resources: { cpus: 1, memory_mb: 512, pids: 512, disk_mb: null },
  prestart: ['python'],
  ready: 3,
  warming: 1,
  claimed: 128,
  missed: 2,
  drained: false,
  fault: null,
}

const listPools = operation({
  operationId: 'listPools',
  tag: 'pools',
  summary: 'List pools',
  description: 'What waits ready, for which creates, and how well that serves them.',
  answer: Ref(PoolList),
  answerExamples: { pools: { pools: [POOL] } },
  errors: [],
})

const getPool = operation({
  operationId: 'getPool',
  tag: 'pools',
  summary: 'Look at a pool',
  description: 'Its definition and its figures.',
  params: PoolParams,
  answer: Ref(PoolInfo),
  answerExamples: { pool: POOL },
  errors: ['POOL_NOT_FOUND'],
})

const putPool = operation({
  operationId: 'putPool',
  tag: 'pools',
  summary: 'Make or change a pool',
  description:
    'Keeps sandboxes of an image ready, so that a create of that image and network is answered in milliseconds: whatever else it asks for is set when it is given away. Creates with other `resources` are served too, a little later; with another `disk_mb` they are not. The pool is filled in the background, while no create runs. It is made anew when the image changes.',
  params: PoolParams,
  body: Ref(PoolUpdate),
  requestExamples: {
    python: { template: 'python:3.13', size: 4, network: 'none', resources: { memory_mb: 512 }, prestart: ['python'] },
    off: { size: 0 },
  },
  answer: Ref(PoolInfo),
  answerExamples: { pool: POOL },
  errors: [
    'INVALID_REQUEST',
    'TEMPLATE_INVALID',
    'TEMPLATE_NOT_FOUND',
    'LANGUAGE_UNAVAILABLE',
    'NOT_SUPPORTED_BY_ENGINE',
    'ENGINE_UNAVAILABLE',
    'ENGINE_TIMEOUT',
    'DISK_FULL',
  ],
})

const deletePool = operation({
  operationId: 'deletePool',
  tag: 'pools',
  summary: 'Delete a pool',
  description: 'Those that wait are removed. Sandboxes that it gave away are not touched.',
  params: PoolParams,
  answer: Ref(PoolDeleted),
  answerExamples: { deleted: { name: 'python', status: 'deleted' } },
  errors: ['INVALID_REQUEST', 'POOL_NOT_FOUND', 'DISK_FULL'],
})

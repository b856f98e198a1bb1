import { Ref } from '../../schemas/typebox.ts'
import { VolumeCreate, VolumeDeleted, VolumeInfo, VolumeList, VolumeParams } from '../../schemas/volume.ts'
import type { CallOptions } from '../core/model.ts'
import type { CreateVolume, Volume } from '../core/volumes/volume.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { nullableTimestamp, timestamp } from '../http/timestamp.ts'
import { ID } from './examples.ts'

export interface VolumeRoutesOptions {
  volumes: {
    create(request: CreateVolume, options: CallOptions): Promise<Volume>
    list(): Volume[]
    get(name: string): Volume
    remove(name: string): void
  }
}

export async function volumeRoutes(app: TypedApp, { volumes }: VolumeRoutesOptions): Promise<void> {
  app.post('/volumes', { schema: createVolume }, async ({ body: { name, size_mb, labels } }, reply) =>
    volumeAnswer(await volumes.create({ name, sizeMb: size_mb, labels }, { signal: clientGone(reply) })),
  )

  app.get('/volumes', { schema: listVolumes }, async () => ({ volumes: volumes.list().map(volumeAnswer) }))

  app.get('/volumes/:name', { schema: getVolume }, async ({ params }) => volumeAnswer(volumes.get(params.name)))

  app.delete('/volumes/:name', { schema: deleteVolume }, async ({ params: { name } }) => {
    volumes.remove(name)
    return { name, status: 'deleted' as const }
  })
}

function volumeAnswer(volume: Volume): VolumeInfo {
  return {
    name: volume.name,
    status: volume.status,
    size_mb: volume.sizeMb,
    used_bytes: volume.usedBytes,
    measured_at: nullableTimestamp(volume.measuredAt),
    labels: volume.labels,
    created_at: timestamp(volume.createdAt),
    used_by: volume.usedBy,
  }
}

const VOLUME = {
  name: 'models',
  status: 'ready',
  size_mb: 2048,
  used_bytes: 734_003_200,
  measured_at: '2026-01-15T09:31:00.000Z',
  labels: { team: 'search' },
  created_at: '2026-01-15T09:30:00.000Z',
  used_by: [ID],
}

const createVolume = operation({
  operationId: 'createVolume',
  tag: 'volumes',
  summary: 'Make a volume',
  description:
    'An empty place for files that outlives sandboxes and can be in several at once: name it in `volumes` of a create. Its root belongs to 1000:1000 and every user may write in it. If the client leaves before the answer nothing is left behind.',
  body: Ref(VolumeCreate),
  requestExamples: {
    plain: { name: 'models' },
    limited: { name: 'models', size_mb: 2048, labels: { team: 'search' } },
  },
  answer: Ref(VolumeInfo),
  answerExamples: { made: { ...VOLUME, used_bytes: null, measured_at: null, used_by: [] } },
  errors: [
    'VOLUME_EXISTS',
    'VOLUME_LIMIT_REACHED',
    'NOT_SUPPORTED_BY_ENGINE',
    'ENGINE_UNAVAILABLE',
    'ENGINE_TIMEOUT',
    'DISK_FULL',
  ],
})

const listVolumes = operation({
  operationId: 'listVolumes',
  tag: 'volumes',
  summary: 'List volumes',
  description: 'All volumes of this server, and which sandboxes have them.',
  answer: Ref(VolumeList),
  answerExamples: { volumes: { volumes: [VOLUME] } },
  errors: [],
})

const getVolume = operation({
  operationId: 'getVolume',
  tag: 'volumes',
  summary: 'Look at a volume',
  description: 'Its size as it was measured last, and which sandboxes have it.',
  params: VolumeParams,
  answer: Ref(VolumeInfo),
  answerExamples: { volume: VOLUME },
  errors: ['VOLUME_NOT_FOUND'],
})

const deleteVolume = operation({
  operationId: 'deleteVolume',
  tag: 'volumes',
  summary: 'Delete a volume',
  description:
    'With all in it. Refused with 409 while a sandbox has it, running or not; `detail` names them. It is gone for every caller when this answers.',
  params: VolumeParams,
  answer: Ref(VolumeDeleted),
  answerExamples: { deleted: { name: 'models', status: 'deleted' } },
  errors: ['VOLUME_NOT_FOUND', 'VOLUME_IN_USE', 'DISK_FULL'],
})

import { SandboxFork, SandboxForks } from '../../schemas/snapshot.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions, ForkSandbox, Sandbox } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { ID, SANDBOX } from './examples.ts'
import { sandboxAnswer } from './sandbox-answer.ts'
import { CREATE_ERRORS, SandboxParams } from './sandbox-id.ts'
import { toCreate } from './sandboxes.ts'

export interface ForkRoutesOptions {
  fork: {
    create(id: string, request: ForkSandbox, options: CallOptions): Promise<Sandbox[]>
  }
}

export async function forkRoutes(app: TypedApp, { fork }: ForkRoutesOptions): Promise<void> {
  app.post('/sandboxes/:sandbox_id/fork', { schema: forkSandbox }, async ({ params, body }, reply) => {
    const { template, snapshot, getOrCreate, ...request } = toCreate(body)
    const asked = { ...request, count: body.count ?? 1 }
    const made = await fork.create(params.sandbox_id, asked, { signal: clientGone(reply) })
    return { sandboxes: made.map(sandboxAnswer) }
  })
}

const forkSandbox = operation({
  operationId: 'forkSandbox',
  tag: 'snapshots',
  summary: 'Copy a sandbox',
  description:
    'Makes sandboxes that begin with the files of this one as they are now: a snapshot of it (see there for what is kept: files, **no processes**) and creates of that, in one call. The sandbox itself runs on; in any state. Copies have its settings and labels, except its name, unless they are told otherwise. If one can not be made, or the client leaves, none is.',
  params: SandboxParams,
  body: Ref(SandboxFork),
  bodyOptional: true,
  requestExamples: { one: {}, several: { count: 3, metadata: { attempt: 'second' }, timeout: 120 } },
  answer: Ref(SandboxForks),
  answerExamples: {
    one: {
      sandboxes: [
        { ...SANDBOX, sandbox_id: '7b1n3q5s8u0w2y4a6c9e', name: null, origin: { sandbox_id: ID, snapshot_id: null } },
      ],
    },
  },
  errors: ['INVALID_REQUEST', 'SANDBOX_NOT_FOUND', 'NAME_TAKEN', 'SNAPSHOT_LOST', ...CREATE_ERRORS],
})

import { DeleteResponse, SandboxCreate, SandboxList, SandboxListQuery, SandboxResponse } from '../../schemas/sandbox.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions, CreateSandbox, Sandbox, SandboxFilter, SandboxPage } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { validationFailed } from '../http/validation-error.ts'
import { ID, SANDBOX } from './examples.ts'
import { sandboxAnswer } from './sandbox-answer.ts'
import { SandboxParams } from './sandbox-id.ts'

export interface SandboxRoutesOptions {
  sandboxes: {
    create(request: CreateSandbox, options: CallOptions): Promise<Sandbox>
    get(id: string): Sandbox
    list(filter: SandboxFilter): SandboxPage
    remove(id: string): void | Promise<void>
  }
}

export async function sandboxRoutes(app: TypedApp, { sandboxes }: SandboxRoutesOptions): Promise<void> {
  app.post('/sandboxes', { schema: createSandbox }, async ({ body }, reply) =>
    sandboxAnswer(await sandboxes.create(toCreate(body), { signal: clientGone(reply) })),
  )

  app.get('/sandboxes', { schema: listSandboxes }, async ({ query }) => {
    const page = sandboxes.list(toFilter(query))
    return { sandboxes: page.sandboxes.map(sandboxAnswer), next_cursor: page.nextCursor }
  })

  app.get('/sandboxes/:sandbox_id', { schema: getSandbox }, async ({ params }) =>
    sandboxAnswer(sandboxes.get(params.sandbox_id)),
  )

  app.delete('/sandboxes/:sandbox_id', { schema: deleteSandbox }, async ({ params }) => {
    sandboxes.remove(params.sandbox_id)
    return { sandbox_id: params.sandbox_id, status: 'deleted' as const }
  })
}

function toCreate(body: SandboxCreate): CreateSandbox {
  const { cpus, memory_mb, pids, disk_mb } = body.resources ?? {}
  return {
    template: body.template || undefined,
    cwd: body.cwd || undefined,
    envs: body.envs,
    timeoutSeconds: body.timeout || undefined,
    metadata: body.metadata,
    user: body.user,
    resources: {
      ...(cpus !== undefined && { cpus }),
      ...(memory_mb !== undefined && { memoryMb: memory_mb }),
      ...(pids !== undefined && { pids }),
      ...(disk_mb !== undefined && { diskMb: disk_mb }),
    },
    network: body.network,
    onTimeout: body.on_timeout,
    name: body.name,
    prestart: body.prestart,
  }
}

const DEFAULT_PAGE = 1000

function toFilter({ metadata, limit, ...filter }: SandboxListQuery): SandboxFilter {
  return { ...filter, metadata: metadata && toPairs(metadata), limit: limit ?? DEFAULT_PAGE }
}

/** `key=value` texts as pairs. A key given twice is refused: one of the two filters would be lost. */
function toPairs(texts: string[]): Record<string, string> {
  const pairs = new Map<string, string>()
  for (const [index, text] of texts.entries()) {
    const split = text.indexOf('=')
    const key = text.slice(0, split)
    if (pairs.has(key)) {
      throw validationFailed([
        { loc: ['query', 'metadata', index], msg: 'this key is there twice', type: 'value_error' },
      ])
    }
    pairs.set(key, text.slice(split + 1))
  }
  return Object.fromEntries(pairs)
}

const createSandbox = operation({
  operationId: 'createSandbox',
  tag: 'sandboxes',
  summary: 'Make a sandbox',
  description:
    'Answers when the sandbox runs and can be used. Everything has a default, so no body at all is fine. If the client leaves before the answer, or the start fails, nothing is left behind.',
  body: Ref(SandboxCreate),
  bodyOptional: true,
  requestExamples: {
    defaults: {},
    python: {
      template: 'python:3.13',
      timeout: 600,
      envs: { MODE: 'test' },
      metadata: { team: 'search' },
      prestart: ['python'],
    },
    confined: {
      name: 'crawler',
      network: 'none',
      resources: { cpus: 0.5, memory_mb: 512, pids: 128 },
      on_timeout: 'stop',
    },
  },
  answer: Ref(SandboxResponse),
  answerExamples: { running: SANDBOX },
  errors: [
    'TEMPLATE_INVALID',
    'TEMPLATE_NOT_FOUND',
    'USER_NOT_FOUND',
    'CWD_NOT_A_DIRECTORY',
    'CWD_NOT_ACCESSIBLE',
    'NOT_SUPPORTED_BY_ENGINE',
    'NAME_TAKEN',
    'LANGUAGE_UNAVAILABLE',
    'SANDBOX_STATE_CONFLICT',
    'SANDBOX_START_FAILED',
    'SANDBOX_LIMIT_REACHED',
    'SERVER_BUSY',
    'ENGINE_UNAVAILABLE',
    'AGENT_UNAVAILABLE',
    'ENGINE_TIMEOUT',
    'DISK_FULL',
  ],
})

const listSandboxes = operation({
  operationId: 'listSandboxes',
  tag: 'sandboxes',
  summary: 'List sandboxes',
  description:
    'All sandboxes of this server, running or not, that match every filter given. A filter that is empty or malformed is an error: it never means "all".',
  querystring: SandboxListQuery,
  answer: Ref(SandboxList),
  answerExamples: { page: { sandboxes: [SANDBOX], next_cursor: null }, none: { sandboxes: [], next_cursor: null } },
  errors: [],
})

const getSandbox = operation({
  operationId: 'getSandbox',
  tag: 'sandboxes',
  summary: 'Look at a sandbox',
  description: 'In every state. Looking at it does not count as use: it puts off no timeout.',
  params: SandboxParams,
  answer: Ref(SandboxResponse),
  answerExamples: { running: SANDBOX, stopped: { ...SANDBOX, status: 'stopped', expires_at: null } },
  errors: ['SANDBOX_NOT_FOUND'],
})

const deleteSandbox = operation({
  operationId: 'deleteSandbox',
  tag: 'sandboxes',
  summary: 'Delete a sandbox',
  description:
    'Kills all that runs in it and removes it with all it wrote, in every state, also while it starts. It is gone for every caller when this answers.',
  params: SandboxParams,
  answer: Ref(DeleteResponse),
  answerExamples: { deleted: { sandbox_id: ID, status: 'deleted' } },
  errors: ['SANDBOX_NOT_FOUND', 'DISK_FULL'],
})

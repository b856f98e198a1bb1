import { IdempotencyHeaders } from '../../schemas/common.ts'
import {
  DeleteResponse,
  SandboxCreate,
  SandboxCreated,
  SandboxGetQuery,
  SandboxList,
  SandboxListQuery,
  SandboxResponse,
  SandboxUpdate,
} from '../../schemas/sandbox.ts'
import { Ref } from '../../schemas/typebox.ts'
import type {
  CallOptions,
  ChangeSandbox,
  CreateSandbox,
  Sandbox,
  SandboxFilter,
  SandboxPage,
  SandboxStatus,
} from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { idempotencyOf } from '../http/idempotency-key.ts'
import { operation } from '../http/operation.ts'
import { validationFailed } from '../http/validation-error.ts'
import { toRules } from './egress.ts'
import { ID, SANDBOX } from './examples.ts'
import { toMounts } from './mounts.ts'
import { toResources } from './resources.ts'
import { sandboxAnswer } from './sandbox-answer.ts'
import { CREATE_ERRORS, SandboxParams } from './sandbox-id.ts'

export interface SandboxRoutesOptions {
  sandboxes: {
    create(request: CreateSandbox, options: CallOptions): Promise<Sandbox & { created: boolean; replayed: boolean }>
    change(id: string, request: ChangeSandbox, options: CallOptions): Promise<Sandbox>
    wait(id: string, statuses: readonly SandboxStatus[], waitMs: number, options: CallOptions): Promise<Sandbox>
    get(id: string): Sandbox
    list(filter: SandboxFilter): SandboxPage
    remove(id: string): void | Promise<void>
  }
}

export async function sandboxRoutes(app: TypedApp, { sandboxes }: SandboxRoutesOptions): Promise<void> {
  app.post('/sandboxes', { schema: createSandbox }, async ({ body, headers }, reply) => {
    const request = { ...toCreate(body), once: idempotencyOf(headers, body) }
    const { created, replayed, ...sandbox } = await sandboxes.create(request, { signal: clientGone(reply) })
    if (replayed) reply.header('idempotency-replayed', 'true')
    return { ...sandboxAnswer(sandbox), created }
  })

  app.get('/sandboxes', { schema: listSandboxes }, async ({ query }) => {
    const page = sandboxes.list(toFilter(query))
    return { sandboxes: page.sandboxes.map(sandboxAnswer), next_cursor: page.nextCursor }
  })

  app.get('/sandboxes/:sandbox_id', { schema: getSandbox }, async ({ params, query }, reply) => {
    const { wait, timeout = DEFAULT_WAIT_SECONDS } = query
    if (wait === undefined) return sandboxAnswer(sandboxes.get(params.sandbox_id))
    const options = { signal: clientGone(reply) }
    return sandboxAnswer(await sandboxes.wait(params.sandbox_id, wait, timeout * 1000, options))
  })

  app.patch('/sandboxes/:sandbox_id', { schema: updateSandbox }, async ({ params, body }, reply) =>
    sandboxAnswer(await sandboxes.change(params.sandbox_id, toChange(body), { signal: clientGone(reply) })),
  )

  app.delete('/sandboxes/:sandbox_id', { schema: deleteSandbox }, async ({ params }) => {
    sandboxes.remove(params.sandbox_id)
    return { sandbox_id: params.sandbox_id, status: 'deleted' as const }
  })
}

const DEFAULT_WAIT_SECONDS = 30

function toChange(body: SandboxUpdate): ChangeSandbox {
  return {
    metadata: body.metadata,
    timeoutSeconds: body.timeout,
    onTimeout: body.on_timeout,
    autoResume: body.auto_resume,
    maxLifetimeSeconds: body.max_lifetime,
    resources: body.resources && toResources(body.resources),
    network: body.network,
  }
}

export function toCreate(body: SandboxCreate): CreateSandbox {
  return {
    template: body.template || undefined,
    snapshot: body.snapshot,
    cwd: body.cwd || undefined,
    envs: body.envs,
    timeoutSeconds: body.timeout || undefined,
    metadata: body.metadata,
    user: body.user,
    resources: toResources(body.resources ?? {}),
    network: body.network,
    egress: body.egress && toRules(body.egress),
    volumes: toMounts(body.volumes),
    onTimeout: body.on_timeout,
    autoResume: body.auto_resume,
    maxLifetimeSeconds: body.max_lifetime,
    name: body.name,
    getOrCreate: body.get_or_create,
    prestart: body.prestart,
  }
}

const DEFAULT_PAGE = 1000

function toFilter({ metadata, limit, ...filter }: SandboxListQuery): SandboxFilter {
  return { ...filter, metadata: metadata && toPairs(metadata), limit: limit ?? DEFAULT_PAGE }
}

/** `key=value` texts as pairs. A key given twice is refused: one of the two filters would be lost. */
export function toPairs(texts: string[]): Record<string, string> {
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
    'Answers when the sandbox runs and can be used. Everything has a default, so no body at all is fine. If the client leaves before the answer, or the start fails, nothing is left behind. With an `Idempotency-Key` it is safe to send again, whatever became of the answer: the same sandbox is answered, as it is then, with `Idempotency-Replayed: true`. The same key with another body is 422, and 410 once that sandbox was deleted; a failed create leaves its key free.',
  headers: IdempotencyHeaders,
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
      volumes: [{ name: 'models', path: '/models', read_only: true }],
      resources: { cpus: 0.5, memory_mb: 512, pids: 128 },
      on_timeout: 'stop',
    },
    copied: { snapshot: 'before-upgrade', timeout: 600 },
    kept: { name: 'notebook-ada', get_or_create: true, timeout: 900, on_timeout: 'pause', auto_resume: true },
  },
  answer: Ref(SandboxCreated),
  answerExamples: { running: { ...SANDBOX, created: true } },
  errors: [
    'INVALID_REQUEST',
    'NAME_TAKEN',
    'IDEMPOTENCY_KEY_REUSED',
    'IDEMPOTENT_RESULT_GONE',
    'SNAPSHOT_NOT_FOUND',
    'SNAPSHOT_LOST',
    ...CREATE_ERRORS,
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
  description:
    'In every state. Looking at it does not count as use: it puts off no timeout. With `wait` the answer comes when it has that status, or when the time is over.',
  params: SandboxParams,
  querystring: SandboxGetQuery,
  answer: Ref(SandboxResponse),
  answerExamples: { running: SANDBOX, stopped: { ...SANDBOX, status: 'stopped', expires_at: null } },
  errors: ['SANDBOX_NOT_FOUND'],
})

const updateSandbox = operation({
  operationId: 'updateSandbox',
  tag: 'sandboxes',
  summary: 'Change a sandbox',
  description:
    'In every state, with all that runs in it: labels, times and limits. New limits hold at once and after later starts. Counts as use. All of it is changed, or nothing.',
  params: SandboxParams,
  body: Ref(SandboxUpdate),
  requestExamples: {
    larger: { resources: { cpus: 2, memory_mb: 2048 } },
    longer: { timeout: 3600, on_timeout: 'pause', metadata: { team: 'search', state: 'reviewed' } },
  },
  answer: Ref(SandboxResponse),
  answerExamples: { running: SANDBOX },
  errors: [
    'INVALID_REQUEST',
    'SANDBOX_NOT_FOUND',
    'SANDBOX_STATE_CONFLICT',
    'NOT_SUPPORTED_BY_ENGINE',
    'ENGINE_UNAVAILABLE',
    'ENGINE_TIMEOUT',
    'DISK_FULL',
  ],
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

import { Context, ContextCreate, ContextDeleted, ContextList } from '../../schemas/context.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions, CodeContext, CreateContext } from '../core/model.ts'
import type { ErrorCode } from '../errors.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { timestamp } from '../http/timestamp.ts'
import { ContextParams, INSIDE_ERRORS, SandboxParams } from './sandbox-id.ts'

export interface ContextRoutesOptions {
  contexts: {
    create(id: string, request: CreateContext, options: CallOptions): Promise<CodeContext>
    list(id: string, options: CallOptions): Promise<CodeContext[]>
    get(id: string, contextId: string, options: CallOptions): Promise<CodeContext>
    restart(id: string, contextId: string, options: CallOptions): Promise<CodeContext>
    interrupt(id: string, contextId: string, options: CallOptions): Promise<CodeContext>
    remove(id: string, contextId: string, options: CallOptions): Promise<void>
  }
}

const CONTEXTS = '/sandboxes/:sandbox_id/contexts'
const CONTEXT = `${CONTEXTS}/:context_id` as const

export async function contextRoutes(app: TypedApp, { contexts }: ContextRoutesOptions): Promise<void> {
  app.post(CONTEXTS, { schema: createContext }, async ({ params, body }, reply) => {
    const request = {
      language: body.language || undefined,
      cwd: body.cwd || undefined,
      envs: body.envs,
      user: body.user,
    }
    return contextAnswer(await contexts.create(params.sandbox_id, request, { signal: clientGone(reply) }))
  })

  app.get(CONTEXTS, { schema: listContexts }, async ({ params }, reply) => {
    const list = await contexts.list(params.sandbox_id, { signal: clientGone(reply) })
    return { contexts: list.map(contextAnswer) }
  })

  app.get(CONTEXT, { schema: getContext }, async ({ params }, reply) =>
    contextAnswer(await contexts.get(params.sandbox_id, params.context_id, { signal: clientGone(reply) })),
  )

  app.delete(CONTEXT, { schema: deleteContext }, async ({ params }, reply) => {
    await contexts.remove(params.sandbox_id, params.context_id, { signal: clientGone(reply) })
    return { context_id: params.context_id, status: 'deleted' as const }
  })

  app.post(`${CONTEXT}/restart`, { schema: restartContext }, async ({ params }, reply) =>
    contextAnswer(await contexts.restart(params.sandbox_id, params.context_id, { signal: clientGone(reply) })),
  )

  app.post(`${CONTEXT}/interrupt`, { schema: interruptContext }, async ({ params }, reply) =>
    contextAnswer(await contexts.interrupt(params.sandbox_id, params.context_id, { signal: clientGone(reply) })),
  )
}

function contextAnswer(context: CodeContext): Context {
  return {
    context_id: context.id,
    language: context.language,
    version: context.version,
    cwd: context.cwd,
    user: context.user,
    state: context.state,
    created_at: timestamp(context.createdAt),
    run_count: context.runs,
    restart_count: context.restarts,
  }
}

const PYTHON: Context = {
  context_id: 'default-python',
  language: 'python',
  version: '3.13.5',
  cwd: '/home/user',
  user: 'user',
  state: 'idle',
  created_at: '2026-01-15T09:30:00.000Z',
  run_count: 3,
  restart_count: 0,
}

const CONTEXT_ERRORS: ErrorCode[] = [...INSIDE_ERRORS, 'CONTEXT_NOT_FOUND']
const START_ERRORS: ErrorCode[] = [
  'LANGUAGE_UNAVAILABLE',
  'CWD_NOT_FOUND',
  'CWD_NOT_A_DIRECTORY',
  'CWD_NOT_ACCESSIBLE',
  'USER_NOT_FOUND',
  'TOO_MANY_PROCESSES',
]

const createContext = operation({
  operationId: 'createContext',
  tag: 'execution',
  summary: 'Make a context',
  description:
    'Starts an interpreter that keeps its state from run to run, and answers when it can run code. Code that names no context has one of its language already, so a context of its own is for what must not share variables. A context ends with the processes of the sandbox: by a stop, a restart, or its deletion. Counts as use of the sandbox.',
  params: SandboxParams,
  body: Ref(ContextCreate),
  bodyOptional: true,
  requestExamples: {
    python: {},
    elsewhere: { language: 'bash', cwd: '/tmp', envs: { LEVEL: '2' }, user: 'root' },
  },
  answer: Ref(Context),
  answerExamples: { python: { ...PYTHON, context_id: 'cQ2v9Xk1LmZaT', run_count: 0 } },
  errors: [...INSIDE_ERRORS, ...START_ERRORS, 'CONTEXT_LIMIT_REACHED'],
})

const listContexts = operation({
  operationId: 'listContexts',
  tag: 'execution',
  summary: 'List contexts',
  description: 'The contexts of the sandbox, those that languages have of their own included.',
  params: SandboxParams,
  answer: Ref(ContextList),
  answerExamples: { one: { contexts: [PYTHON] } },
  errors: INSIDE_ERRORS,
})

const getContext = operation({
  operationId: 'getContext',
  tag: 'execution',
  summary: 'Look at a context',
  description: 'What a context is and what it is doing.',
  params: ContextParams,
  answer: Ref(Context),
  answerExamples: { idle: PYTHON, busy: { ...PYTHON, state: 'busy' } },
  errors: CONTEXT_ERRORS,
})

const deleteContext = operation({
  operationId: 'deleteContext',
  tag: 'execution',
  summary: 'Delete a context',
  description:
    'Ends its interpreter and all that it started; a run in it ends. A language whose own context is deleted gets another with its next run. Counts as use of the sandbox.',
  params: ContextParams,
  answer: Ref(ContextDeleted),
  answerExamples: { deleted: { context_id: 'cQ2v9Xk1LmZaT', status: 'deleted' } },
  errors: CONTEXT_ERRORS,
})

const restartContext = operation({
  operationId: 'restartContext',
  tag: 'execution',
  summary: 'Restart a context',
  description:
    'Replaces its interpreter: all variables are gone. A run in it ends with an error named `ContextRestarting`; runs that wait go on in the new one. Counts as use of the sandbox.',
  params: ContextParams,
  answer: Ref(Context),
  answerExamples: { restarted: { ...PYTHON, restart_count: 1 } },
  errors: [...CONTEXT_ERRORS, ...START_ERRORS],
})

const interruptContext = operation({
  operationId: 'interruptContext',
  tag: 'execution',
  summary: 'Interrupt a context',
  description:
    'Ends the run in it, if there is one, as Ctrl-C would: with an error of the language, as `KeyboardInterrupt`. Variables stay. Answers at once, without waiting for the run to obey. Counts as use of the sandbox.',
  params: ContextParams,
  answer: Ref(Context),
  answerExamples: { idle: PYTHON },
  errors: CONTEXT_ERRORS,
})

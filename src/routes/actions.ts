import { SandboxAction, SandboxResponse } from '../../schemas/sandbox.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions, Sandbox } from '../core/model.ts'
import { SandboxError } from '../errors.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { SANDBOX } from './examples.ts'
import { sandboxAnswer } from './sandbox-answer.ts'
import { SandboxParams } from './sandbox-id.ts'

export interface ActionRoutesOptions {
  sandboxes: {
    get(id: string): Sandbox
    start(id: string, options: CallOptions): Promise<Sandbox>
    stop(id: string, options: CallOptions): Promise<Sandbox>
    pause(id: string, options: CallOptions): Promise<Sandbox>
    restart(id: string, options: CallOptions): Promise<Sandbox>
    /** 0: the server's default. */
    setTimeout(id: string, timeoutSeconds: number): Sandbox
    remove(id: string): void | Promise<void>
  }
}

export async function actionRoutes(app: TypedApp, { sandboxes }: ActionRoutesOptions): Promise<void> {
  app.post(
    '/sandboxes/:sandbox_id/actions',
    { schema: runSandboxAction },
    async ({ params, body }, reply): Promise<SandboxResponse> => {
      const id = params.sandbox_id
      switch (body.action) {
        case 'start':
        case 'stop':
        case 'restart':
        case 'pause':
          return sandboxAnswer(await sandboxes[body.action](id, { signal: clientGone(reply) }))
        case 'resume':
          return sandboxAnswer(await sandboxes.start(id, { signal: clientGone(reply) }))
        case 'set_timeout':
          if (body.timeout === undefined) throw new SandboxError('INVALID_REQUEST', 'Timeout value is required')
          return sandboxAnswer(sandboxes.setTimeout(id, body.timeout))
        case 'kill': {
          const last = sandboxAnswer(sandboxes.get(id))
          sandboxes.remove(id)
          return { ...last, status: 'killed', expires_at: null }
        }
      }
    },
  )
}

const runSandboxAction = operation({
  operationId: 'runSandboxAction',
  tag: 'sandboxes',
  summary: 'Start, stop, pause, resume, restart, kill a sandbox, or set its timeout',
  description:
    'Answers when it is done. `start` on a running sandbox and `stop` on a stopped one change nothing, nor does `pause` on a paused one. Processes do not outlive `stop` and `restart`; files do.',
  params: SandboxParams,
  body: Ref(SandboxAction),
  requestExamples: {
    stop: { action: 'stop' },
    start: { action: 'start' },
    restart: { action: 'restart' },
    pause: { action: 'pause' },
    resume: { action: 'resume' },
    set_timeout: { action: 'set_timeout', timeout: 900 },
    kill: { action: 'kill' },
  },
  answer: Ref(SandboxResponse),
  answerExamples: {
    running: SANDBOX,
    stopped: { ...SANDBOX, status: 'stopped', expires_at: null },
    paused: { ...SANDBOX, status: 'paused', expires_at: null },
    killed: { ...SANDBOX, status: 'killed', expires_at: null },
  },
  errors: [
    'SANDBOX_NOT_FOUND',
    'SANDBOX_STATE_CONFLICT',
    'UNSUPPORTED_ACTION',
    'USER_NOT_FOUND',
    'CWD_NOT_A_DIRECTORY',
    'CWD_NOT_ACCESSIBLE',
    'SANDBOX_START_FAILED',
    'SERVER_BUSY',
    'ENGINE_UNAVAILABLE',
    'ENGINE_TIMEOUT',
    'AGENT_UNAVAILABLE',
    'DISK_FULL',
  ],
})

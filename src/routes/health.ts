import { Health, Readiness } from '../../schemas/health.ts'
import { Ref } from '../../schemas/typebox.ts'
import { SandboxError } from '../errors.ts'
import type { TypedApp } from '../http/app-type.ts'
import { operation } from '../http/operation.ts'

export interface HealthRoutesOptions {
  version: string
  health: {
    engineAvailable(): boolean
    leftovers(): { helpers: number; linkFolders: number; agentVolumes: number; strangers: number }
    /** null while the engine has never answered. */
    info: { name: string; version: string; link: string } | null
  }
}

export async function healthRoutes(app: TypedApp, { health, version }: HealthRoutesOptions): Promise<void> {
  app.get('/healthz', { schema: getHealth }, async () => ({ status: 'ok' as const, version }))

  app.get('/readyz', { schema: getReadiness }, async () => {
    if (!health.engineAvailable() || !health.info) {
      throw new SandboxError('ENGINE_UNAVAILABLE', 'The container engine does not answer; the server keeps trying', {
        details: { retryAfterSeconds: 2 },
      })
    }
    const { name, version: engineVersion, link } = health.info
    const { helpers, linkFolders, agentVolumes, strangers } = health.leftovers()
    return {
      status: 'ready' as const,
      version,
      engine: { name, version: engineVersion, link },
      leftovers: { helpers, link_folders: linkFolders, agent_volumes: agentVolumes, strangers },
    }
  })
}

const getHealth = operation({
  operationId: 'getHealth',
  tag: 'server',
  summary: 'Is the process alive',
  description: 'Answers 200 as long as the server runs. It looks at nothing else, so it is fit for liveness probes.',
  answer: Ref(Health),
  answerExamples: { alive: { status: 'ok', version: '0.1.0' } },
  errors: [],
})

const getReadiness = operation({
  operationId: 'getReadiness',
  tag: 'server',
  summary: 'Can sandboxes be made',
  description:
    'Answers 200 when the container engine is reachable, else 503 with Retry-After. Fit for readiness probes.',
  answer: Ref(Readiness),
  answerExamples: {
    ready: {
      status: 'ready',
      version: '0.1.0',
      engine: { name: 'docker', version: '28.0.1', link: 'dial' },
      leftovers: { helpers: 0, link_folders: 0, agent_volumes: 1, strangers: 0 },
    },
  },
  errors: ['ENGINE_UNAVAILABLE'],
})

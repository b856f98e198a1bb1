import type { BuildState } from './build-state.ts'
import { startCommandOf } from './build-state.ts'
import type { BuildView, Startup, TemplateDefaults, TemplateSettings, TemplateView } from './model.ts'
import type { Command } from './step.ts'

/** What the sandboxes of a template are made of. `layer`: an image that a build made, by our id of it. */
export type Made = { kind: 'image'; reference: string } | { kind: 'layer'; id: string }

/** `env` null: that of the image. */
export type BuiltState = Omit<BuildState, 'args' | 'env'> & { env: BuildState['env'] | null }

/** All that is known of one template; durable. */
export interface TemplateRecord {
  name: string
  description: string
  /** As it was named: FROM of a build, or the image that was registered. */
  from: string
  built: boolean
  /** null until a build was done. */
  made: Made | null
  /** Laid over what the image says; null: a registered image speaks for itself. */
  state: BuiltState | null
  sizeBytes: number
  /** Its image is not on the engine any more. */
  lost: boolean
  defaults: TemplateDefaults
  poolSize: number
  /** null: the Dockerfile's; empty: none. */
  startCommand: Command | null
  ready: Startup['ready']
  createdAt: number
  updatedAt: number
}

export type BuildRecord = BuildView

export function withSettings(record: TemplateRecord, settings: TemplateSettings): TemplateRecord {
  const { description, defaults, poolSize, startCommand, ready } = settings
  return {
    ...record,
    ...(description !== undefined && { description }),
    ...(defaults !== undefined && { defaults }),
    ...(poolSize !== undefined && { poolSize }),
    ...(startCommand !== undefined && { startCommand }),
    ...(ready !== undefined && { ready }),
  }
}

/** What runs in each of its sandboxes; null: nothing does, and nothing is waited for. */
export function startupOf({ startCommand, ready, state }: TemplateRecord): Startup | null {
  const own = startCommand ?? (state === null ? null : startCommandOf(state))
  const command = own === null || own.length === 0 ? null : own
  return command === null && ready === null ? null : { command, ready }
}

export function toTemplateView(record: TemplateRecord, latest: BuildView | null): TemplateView {
  const { name, description, from, built, made, state, defaults, poolSize, ready, sizeBytes, createdAt, updatedAt } =
    record
  const underWay = latest !== null && (latest.status === 'queued' || latest.status === 'building')
  const status = record.lost ? 'lost' : made !== null ? 'ready' : underWay ? 'building' : 'failed'
  return {
    name,
    description,
    status: underWay && status === 'lost' ? 'building' : status,
    reason: reasonOf(status, latest),
    from,
    built,
    buildId: latest?.id ?? null,
    defaults,
    startCommand: startupOf(record)?.command ?? null,
    ready,
    poolSize,
    env: state?.env ?? {},
    labels: state?.labels ?? {},
    ports: state?.ports ?? [],
    sizeBytes,
    createdAt,
    updatedAt,
  }
}

function reasonOf(status: TemplateView['status'], latest: BuildView | null): string | null {
  if (status === 'lost') return 'its image is not on the engine any more; rebuild it'
  if (status !== 'failed') return null
  if (latest?.status === 'cancelled') return 'its build was cancelled; rebuild it'
  return latest?.failure?.message ?? 'it was never built; rebuild it'
}

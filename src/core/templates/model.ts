/** What routes hand to the templates of the core and get back. Times are unix milliseconds. */
import type { Network, Resources } from '../../engine/types.ts'
import type { OnTimeout } from '../model.ts'
import type { ContextFile } from './context-files.ts'
import type { Command, Step } from './step.ts'

/** What a create gets that does not say otherwise; what is absent is the server's default. */
export interface TemplateDefaults {
  resources?: Partial<Resources> | undefined
  timeoutSeconds?: number | undefined
  onTimeout?: OnTimeout | undefined
  autoResume?: boolean | undefined
  envs?: Record<string, string> | undefined
  cwd?: string | undefined
  user?: string | undefined
  network?: Network | undefined
  prestart?: string[] | undefined
}

/** How it is known that what a sandbox starts with is up: one of the two. */
export interface Ready {
  /** Shell text that exits with 0. */
  command?: string | undefined
  /** Something listens on it. */
  port?: number | undefined
  timeoutSeconds: number
}

/** What runs from the start of a sandbox on. */
export interface Startup {
  command: Command | null
  ready: Ready | null
}

export interface BuildLimits {
  network?: Network | undefined
  timeoutSeconds?: number | undefined
  resources?: Partial<Resources> | undefined
}

/** What a template is built of; kept, so that it can be built again. */
export interface BuildSource {
  /** Either this… */
  dockerfile?: string | undefined
  /** …or both of these. */
  from?: string | undefined
  steps?: Step[] | undefined
  files: ContextFile[]
  buildArgs: Record<string, string>
  limits: BuildLimits
}

/** What is absent stays (change) or is nobody's choice (create). */
export interface TemplateSettings {
  description?: string | undefined
  defaults?: TemplateDefaults | undefined
  poolSize?: number | undefined
  /** Empty: none, also where the Dockerfile has one. */
  startCommand?: Command | undefined
  /** null: none. */
  ready?: Ready | null | undefined
}

export interface CreateTemplate extends TemplateSettings {
  name: string
  /** An image of the engine under a name of its own; not together with `source`. */
  image?: string | undefined
  source?: BuildSource | undefined
  noCache?: boolean | undefined
}

export interface Rebuild {
  /** What is absent of it stays. */
  source: Partial<BuildSource>
  noCache?: boolean | undefined
}

/** `lost`: its image is not on the engine any more. */
export type TemplateStatus = 'building' | 'ready' | 'failed' | 'lost'

export interface TemplateView {
  name: string
  description: string
  status: TemplateStatus
  /** Why it is `failed` or `lost`; null otherwise. */
  reason: string | null
  /** What it is made of, as it was named. */
  from: string
  built: boolean
  /** The latest. */
  buildId: string | null
  defaults: TemplateDefaults
  startCommand: Command | null
  ready: Ready | null
  poolSize: number
  env: Record<string, string>
  labels: Record<string, string>
  ports: string[]
  /** What it adds to the image that it begins with. */
  sizeBytes: number
  createdAt: number
  updatedAt: number
}

export type BuildStatus = 'queued' | 'building' | 'ready' | 'failed' | 'cancelled'

export interface BuildFailure {
  message: string
  /** From 1; null: it was not at a step. */
  step: number | null
  line: number | null
  /** The step as it was written. */
  text: string | null
  exitCode: number | null
  /** The last that the step printed. */
  output: string | null
}

export interface BuildView {
  id: string
  template: string
  status: BuildStatus
  /** The one it is at, or was at last, from 1; 0: none yet. */
  step: number
  steps: number
  /** Steps that were not done again. */
  cached: number
  failure: BuildFailure | null
  noCache: boolean
  createdAt: number
  startedAt: number | null
  finishedAt: number | null
}

/** What happens in a build. `offset`: where a reader goes on after it. */
export type BuildEvent = { offset: number } & (
  | {
      type: 'step'
      step: number
      steps: number
      line: number | null
      text: string
      cached: boolean
      timestampMs: number
    }
  | { type: 'stdout' | 'stderr'; step: number; text: string; timestampMs: number }
  /** Of the server itself: what it noticed. */
  | { type: 'note'; text: string; timestampMs: number }
  /** So many events are missing here. */
  | { type: 'dropped'; count: number }
)

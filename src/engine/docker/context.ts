import type Docker from 'dockerode'
import type { DockerEngineOptions, EngineLog, EngineTimeouts } from './options.ts'

/** What every part of the adapter stands on. */
export interface Context {
  docker: Docker
  options: DockerEngineOptions
  timeouts: EngineTimeouts
  log: EngineLog
}

import type { Template } from '../../engine/types.ts'
import { DEFAULT_PATH } from '../environment.ts'
import type { Command } from './step.ts'

/** What later steps and the sandboxes of a template begin with; each step makes the next one of it. */
export interface BuildState {
  env: Record<string, string>
  /** Declared ARGs; not in the finished template. */
  args: Record<string, string>
  /** null: the image names none. Builds run as root then, sandboxes as the ordinary user. */
  user: string | null
  workdir: string
  labels: Record<string, string>
  ports: string[]
  cmd: Command | null
  entrypoint: Command | null
}

export function stateOf({ env, user, workdir }: Pick<Template, 'env' | 'user' | 'workdir'>): BuildState {
  return {
    // For images that set none, so that ENV can add to it.
    env: { PATH: DEFAULT_PATH, ...env },
    args: {},
    user,
    workdir: workdir ?? '/',
    labels: {},
    ports: [],
    cmd: null,
    entrypoint: null,
  }
}

/** What ENTRYPOINT and CMD come to together; null: neither was there. */
export function startCommandOf({ cmd, entrypoint }: Pick<BuildState, 'cmd' | 'entrypoint'>): Command | null {
  if (entrypoint === null || entrypoint.length === 0) return cmd === null || cmd.length === 0 ? null : cmd
  if (typeof entrypoint === 'string' || cmd === null) return entrypoint
  return [...entrypoint, ...(typeof cmd === 'string' ? ['/bin/sh', '-c', cmd] : cmd)]
}

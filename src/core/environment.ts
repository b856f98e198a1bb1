import { proxyVariables } from './egress/way-out.ts'
import type { SandboxRecord } from './record.ts'

/** For images that set none. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The whole environment of a process: the image's, over it where its way out is, over it the sandbox's, over it the call's. The agent adds HOME and USER where absent. */
export function environmentOf(record: SandboxRecord, envs: Record<string, string> | undefined): Record<string, string> {
  const wayOut = record.egress === null ? {} : proxyVariables(record.id)
  return { PATH: DEFAULT_PATH, ...record.imageEnv, ...wayOut, ...record.envs, ...envs }
}

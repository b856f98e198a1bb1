const TOKEN = 'K2_AGENT_TOKEN'
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Set for PID 1 whatever the image says: what steers the loader or the Go runtime is emptied, its memory is bounded. */
const FIXED: Readonly<Record<string, string>> = {
  PATH,
  LD_PRELOAD: '',
  LD_LIBRARY_PATH: '',
  GODEBUG: '',
  GOGC: '',
  GOMAXPROCS: '',
  GOMEMLIMIT: '48MiB',
  GOTRACEBACK: '',
}

/**
 * `Env` of the container: the agent's own, and nothing of the image's: a name without "=" removes the image's variable
 * (Docker API, ContainerConfig.Env). The sandbox's processes get the image's ENV from the server with each start.
 * `token`: null on the exec link, which has none, since whatever the engine executes in the container inherits it.
 */
export function agentEnv(imageEnv: Record<string, string>, token: string | null): string[] {
  const own: Record<string, string> = { ...FIXED, ...(token === null ? {} : { [TOKEN]: token }) }
  const removed = new Set([TOKEN, ...Object.keys(imageEnv)].filter((name) => name !== '' && !Object.hasOwn(own, name)))
  return [...Object.entries(own).map(([name, value]) => `${name}=${value}`), ...[...removed].sort()]
}

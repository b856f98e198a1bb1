/** The servers that the generated clients are tried on: the real process, on every engine that this machine has. */
import { existsSync } from 'node:fs'
import { dockerHost } from '../setup/docker-host.ts'
import { Server } from '../support/server.ts'

type EngineName = 'local' | 'docker'

/** `local` always; `docker` where its socket is (an address of another kind is taken at its word). */
export function availableEngines(): EngineName[] {
  const [scheme, path] = dockerHost().split('://')
  return scheme === 'unix' && path && !existsSync(path) ? ['local'] : ['local', 'docker']
}

/** Resolves when it listens; `await using` ends it and removes all that it made. */
export function startServer(engine: EngineName): Promise<Server> {
  return Server.start({ engine, settings: engine === 'local' ? { K2_DEFAULT_TEMPLATE: 'local' } : {} })
}

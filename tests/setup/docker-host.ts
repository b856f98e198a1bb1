import { readConfig } from '../../src/config.ts'

/** Address of the engine that the suites use: the server's own rule (K2_DOCKER_HOST, DOCKER_HOST, the default socket). */
export function dockerHost(): string {
  const { K2_DOCKER_HOST, DOCKER_HOST } = process.env
  return readConfig({ K2_DOCKER_HOST, DOCKER_HOST }, []).dockerHost
}

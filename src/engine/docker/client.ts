import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { inspect } from 'node:util'
import Docker from 'dockerode'
import { SandboxError } from '../../errors.ts'

export interface DockerClient {
  docker: Docker
  /** What the operator knows it by. */
  address: string
  /** Closes idle connections. */
  close(): void
}

const DEFAULT_SOCKET = '/var/run/docker.sock'

/**
 * Opens nothing yet: connections are made per call and kept for the next.
 * Every setting that docker-modem would take from the environment (DOCKER_HOST, DOCKER_CLIENT_TIMEOUT) is given here,
 * since its `timeout` leaves promises unsettled. Throws ENGINE_UNAVAILABLE for an address of a kind we don't speak.
 */
export function createDockerClient(dockerHost?: string): DockerClient {
  const address = dockerHost ?? `unix://${DEFAULT_SOCKET}`
  const target = parseAddress(address)
  const agent = opaque(
    target.protocol === 'https'
      ? new HttpsAgent({ keepAlive: true, timeout: 0 })
      : new HttpAgent({ keepAlive: true, timeout: 0 }),
  )
  const docker = new Docker({ ...UNSET, ...target, agent } as Docker.DockerOptions)
  return { docker, address, close: () => agent.destroy() }
}

/**
 * docker-modem describes each request for its debug log, whether anybody reads that or not: all that hangs from the agent too, every
 * connection of ours, to any depth. That took longer than most calls.
 */
function opaque<Connections extends object>(agent: Connections): Connections {
  return Object.defineProperty(agent, inspect.custom, { value: () => '[connections]' })
}

const UNSET = {
  host: undefined,
  port: undefined,
  socketPath: undefined,
  timeout: undefined,
  connectionTimeout: undefined,
}

function parseAddress(address: string): {
  socketPath?: string
  host?: string
  port?: number
  protocol: 'http' | 'https'
} {
  if (address.startsWith('/')) return { socketPath: address, protocol: 'http' }
  const url = URL.parse(address)
  if (url?.protocol === 'unix:' && url.pathname.length > 1) {
    return { socketPath: decodeURIComponent(url.pathname), protocol: 'http' }
  }
  if (url && ['tcp:', 'http:', 'https:'].includes(url.protocol) && url.hostname !== '') {
    const protocol = url.protocol === 'https:' ? 'https' : 'http'
    return { host: url.hostname, port: Number(url.port || (protocol === 'https' ? 2376 : 2375)), protocol }
  }
  throw new SandboxError(
    'ENGINE_UNAVAILABLE',
    `the engine's address ${JSON.stringify(address)} is not understood; use unix:///path or tcp://host:port`,
  )
}

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import type Docker from 'dockerode'
import { createDockerClient } from '../../src/engine/docker/client.ts'
import { createDockerEngine } from '../../src/engine/docker/docker-engine.ts'
import type { DockerEngineOptions, EngineLog } from '../../src/engine/docker/options.ts'
import type { Engine, EngineCreated, SandboxSpec } from '../../src/engine/types.ts'
import { dockerHost } from '../setup/docker-host.ts'

export const IMAGE = 'debian:trixie-slim'
const SECRET = Buffer.alloc(32, 5)
const quiet: EngineLog = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

/** One engine of a test instance with a data folder of its own; `dispose` removes all that it made. */
export interface Harness extends AsyncDisposable {
  engine: Engine
  docker: Docker
  instance: string
  dataDir: string
  /** Another server of the same instance, over the same data folder. */
  another(changes?: Partial<DockerEngineOptions>): Engine
  /** A sandbox's specification with a fresh id. */
  spec(changes?: Partial<SandboxSpec>): Promise<SandboxSpec>
  /** Created and started. */
  sandbox(changes?: Partial<SandboxSpec>): Promise<{ id: string; ref: string }>
}

let count = 0

export async function openHarness(changes: Partial<DockerEngineOptions> = {}): Promise<Harness> {
  const instance = changes.instance ?? `test-engine-${process.pid}-${++count}`
  const dataDir = mkdtempSync(join(tmpdir(), 'k2-engine-'))
  const client = createDockerClient(changes.dockerHost ?? dockerHost())
  const engines: Engine[] = []
  const another: Harness['another'] = (more = {}) => {
    const agentBinary = resolve('build/agent/current/agent')
    const base = {
      instance,
      dataDir,
      agentBinary,
      secret: SECRET,
      link: 'auto',
      log: quiet,
      dockerHost: client.address,
    } as const
    const engine = createDockerEngine({ ...base, ...changes, ...more })
    engines.push(engine)
    return engine
  }
  const engine = another()
  const dispose = async (): Promise<void> => {
    for (const { id, ref } of await engine.list()) await engine.remove(id, ref)
    for (const one of engines) await one.close()
    await removeShared(client.docker, instance)
    client.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
  try {
    await engine.open()
  } catch (error) {
    await dispose()
    throw error
  }
  let number = 0
  const spec: Harness['spec'] = async (more = {}) => ({
    id: `t${process.pid}x${count}x${++number}`.padEnd(20, '0'),
    template: more.template ?? (await engine.resolveTemplate(IMAGE)),
    resources: { cpus: 1, memoryMb: 128, pids: 128, diskMb: null },
    network: 'none',
    record: '{"made":"by a test"}',
    ...more,
  })
  return {
    engine,
    docker: client.docker,
    instance,
    dataDir,
    another,
    spec,
    async sandbox(more) {
      const made = await spec(more)
      const { ref }: EngineCreated = await engine.create(made)
      await engine.start(made.id, ref)
      return { id: made.id, ref }
    },
    [Symbol.asyncDispose]: dispose,
  }
}

/** Network and agent volume stay when an engine is closed: the next server of the instance wants them. */
async function removeShared(docker: Docker, instance: string): Promise<void> {
  const label = [`k2.instance=${instance}`]
  for (const { Id } of await docker.listNetworks({ filters: { label } })) await docker.getNetwork(Id).remove()
  const { Volumes } = await docker.listVolumes({ filters: JSON.stringify({ label }) } as object)
  // Another instance of the suite may be using the same agent.
  for (const { Name } of Volumes ?? [])
    await docker
      .getVolume(Name)
      .remove()
      .catch(() => undefined)
}

/** One request to the agent over a fresh connection, which ends with it. */
export async function ask(stream: Duplex, path: string): Promise<{ status: number; body: string }> {
  const session = connect('http://agent', { createConnection: () => stream })
  const failed = new Promise<never>((_, reject) => session.once('error', reject))
  failed.catch(() => undefined)
  try {
    const request = session.request({ ':path': path })
    const status = new Promise<number>((done) =>
      request.once('response', (headers) => done(Number(headers[':status']))),
    )
    const body = text(request)
    body.catch(() => undefined)
    return { status: await Promise.race([status, failed]), body: await Promise.race([body, failed]) }
  } finally {
    session.destroy()
    stream.destroy()
  }
}

/** Output of one command run in the container by the engine itself, as root: what tests look at, never what the server does. */
export function execIn(ref: string, ...command: string[]): string {
  return execFileSync('docker', ['-H', dockerHost(), 'exec', ref, ...command], { encoding: 'utf8' })
}

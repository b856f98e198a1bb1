import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDockerClient } from '../../src/engine/docker/client.ts'

const START_MS = 30_000

/** A second Docker engine, for tests that stop it. Shares nothing with the one of the machine. */
export interface OwnEngine extends AsyncDisposable {
  host: string
  /** Of the daemon, in whose network the bridges of its containers are. */
  readonly pid: number
  /** Resolves when it answers. Without `liveRestore` it ends the containers that it finds running. Default: they live on. */
  start(options?: { liveRestore?: boolean }): Promise<void>
  /** SIGTERM, and its end awaited. Containers live on (`--live-restore`). */
  stop(): Promise<void>
  /** SIGKILL: its containers live on without it. */
  kill(): Promise<void>
}

/** Whether this machine lets us run one. */
export function canRunOwnEngine(): boolean {
  if (process.getuid?.() !== 0) return false
  try {
    execFileSync('dockerd', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

export async function startOwnEngine(): Promise<OwnEngine> {
  const dir = mkdtempSync(join(tmpdir(), 'k2-dockerd-'))
  const socket = join(dir, 'docker.sock')
  const options = ['--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec'), '--pidfile', join(dir, 'pid')]
  const quiet = ['--bridge=none', '--iptables=false', '--log-level=error']
  let daemon: ChildProcess | null = null
  const runs = () => daemon !== null && daemon.exitCode === null && daemon.signalCode === null
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (daemon === null || !runs()) return
    const ended = once(daemon, 'exit')
    daemon.kill(signal)
    await ended
  }
  const engine: OwnEngine = {
    host: `unix://${socket}`,
    get pid() {
      return daemon?.pid ?? 0
    },
    async start({ liveRestore = true } = {}) {
      // In a network of its own: with --bridge=none it deletes `docker0`, which else is that of the machine's engine.
      const life = liveRestore ? ['--live-restore'] : []
      const dockerd = ['dockerd', ...options, ...quiet, ...life, '--host', `unix://${socket}`]
      daemon = spawn('unshare', ['--net', ...dockerd], { stdio: 'ignore' })
      const { docker, close } = createDockerClient(engine.host)
      const end = Date.now() + START_MS
      while (
        Date.now() < end &&
        !(await docker.ping().then(
          () => true,
          () => false,
        ))
      ) {
        if (daemon.exitCode !== null) throw new Error(`dockerd ended with ${daemon.exitCode}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      close()
    },
    stop: () => end('SIGTERM'),
    async kill() {
      await end('SIGKILL')
      // Its containerd dies with it. Where nobody reaps orphans the next one would take the zombie for a living one.
      rmSync(join(dir, 'exec', 'containerd', 'containerd.pid'), { force: true })
    },
    async [Symbol.asyncDispose]() {
      if (!runs()) await engine.start()
      await removeAll(engine.host)
      await engine.stop()
      // Its data folder is a mount of its own, which it leaves behind with --live-restore, and so is the network of containers.
      spawnSync('umount', ['--recursive', join(dir, 'data')], { stdio: 'ignore' })
      const networks = join(dir, 'exec', 'netns')
      for (const name of existsSync(networks) ? readdirSync(networks) : [])
        spawnSync('umount', [join(networks, name)], { stdio: 'ignore' })
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
  await engine.start()
  return engine
}

/** What a failed test left running would outlive the engine. */
async function removeAll(host: string): Promise<void> {
  const { docker, close } = createDockerClient(host)
  try {
    for (const { Id } of await docker.listContainers({ all: true }))
      await docker.getContainer(Id).remove({ force: true })
  } finally {
    close()
  }
}

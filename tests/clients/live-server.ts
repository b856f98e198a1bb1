import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const START_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 30_000

export interface LiveServer extends AsyncDisposable {
  /** `http://127.0.0.1:port` */
  url: string
}

/** The server as users start it, as a process on a free port with a data folder and an instance name of its own. */
export async function startServer(engine: 'local' | 'docker'): Promise<LiveServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'k2-clients-'))
  const settings = {
    K2_PORT: '0',
    K2_ENGINE: engine,
    K2_DATA_DIR: dataDir,
    K2_INSTANCE: `clients-${process.pid}`,
    K2_LOG_LEVEL: 'warn',
  }
  const server = spawn(process.execPath, [MAIN], {
    env: { ...withoutSettings(), ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  const exited = once(server, 'exit')
  const listening = new Promise<string>((resolve) => {
    const read = (chunk: string) => {
      printed = (printed + chunk).slice(-64 * 1024)
      const url = /listening on (http:\/\/[^\s]+)/.exec(printed)?.[1]
      if (url) resolve(url)
    }
    server.stdout.setEncoding('utf8').on('data', read)
    server.stderr.setEncoding('utf8').on('data', read)
  })

  const stop = async () => {
    server.kill('SIGTERM')
    const forced = setTimeout(() => server.kill('SIGKILL'), STOP_LIMIT_MS)
    await exited
    clearTimeout(forced)
    await rm(dataDir, { recursive: true, force: true })
  }
  const failed = async (why: string) => {
    await stop()
    throw new Error(`the server ${why}:\n${printed}`)
  }
  const limit = AbortSignal.timeout(START_LIMIT_MS)
  const url = await Promise.race([listening, exited.then(() => 'exited'), once(limit, 'abort').then(() => 'late')])
  if (url === 'exited') return failed('ended while it started')
  if (url === 'late') return failed(`was not listening after ${START_LIMIT_MS} ms`)
  return { url, [Symbol.asyncDispose]: stop }
}

/** The developer's own K2_ settings must not reach the server under test. */
function withoutSettings(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('K2_')))
}

/** The engines that this machine has: `local` always. */
export async function availableEngines(): Promise<('local' | 'docker')[]> {
  const docker = await access('/var/run/docker.sock').then(
    () => true,
    () => false,
  )
  return docker ? ['local', 'docker'] : ['local']
}

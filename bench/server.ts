import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { SERVER_FLAGS, serverEnvironment } from '../scripts/server-process.ts'

export interface BenchServer extends AsyncDisposable {
  port: number
  pid: number
  instance: string
}

const START_LIMIT_MS = 60_000

/** The real server in its own process, with its own data and instance. */
export async function startServer(link: 'dial' | 'exec' | 'local'): Promise<BenchServer> {
  const dataDir = await mkdtemp('/tmp/k2b-')
  const instance = `bench-${link}-${process.pid}`
  const server = spawn(process.execPath, [...SERVER_FLAGS, 'src/main.ts'], {
    env: {
      ...serverEnvironment(process.env),
      K2_PORT: '0',
      K2_DATA_DIR: dataDir,
      K2_INSTANCE: instance,
      ...(link === 'local' ? { K2_ENGINE: 'local', K2_DEFAULT_TEMPLATE: 'local' } : { K2_LINK: link }),
      K2_MAX_SANDBOXES: '5000',
      // Rows that are about a pool make one.
      K2_POOL_SIZE: '0',
      // Eight files of 64 MiB at once.
      K2_BUFFER_MB: '1024',
      K2_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const timer = setTimeout(() => server.kill(), START_LIMIT_MS)
  let port = 0
  for await (const line of createInterface({ input: server.stdout })) {
    const match = /listening on http:\/\/[^ ]+:(\d+)/.exec(line)
    if (!match) {
      console.error(`  server: ${line}`)
      continue
    }
    port = Number(match[1])
    break
  }
  clearTimeout(timer)
  if (port === 0 || server.pid === undefined) throw new Error('the server did not start')
  server.stdout.resume()
  return {
    port,
    pid: server.pid,
    instance,
    async [Symbol.asyncDispose]() {
      if (server.exitCode === null) {
        server.kill('SIGTERM')
        await once(server, 'exit')
      }
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** Resident bytes of a process of this machine. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1024
}

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SERVER_FLAGS, serverEnvironment } from '../../scripts/server-process.ts'
import { Api } from './api.ts'
import { openEngine, removeInstance } from './engine.ts'

export interface ServerOptions {
  /** Default `docker`. */
  engine?: 'docker' | 'local'
  /** Default `auto`. */
  link?: 'auto' | 'dial' | 'exec'
  /** Further settings, as `K2_…`. */
  settings?: Record<string, string>
}

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
/** Engine tests run on machines with two cores beside each other's load. */
const START_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 30_000
const LISTENING = /^listening on (http:\/\/\S+)/m

/**
 * The real server, as a process of its own with its own data folder, instance name and port. Can be killed and started
 * again on the same data; `await using` or `dispose()` ends it and takes everything of its instance off the engine.
 */
export class Server implements AsyncDisposable {
  readonly instance = `test-${randomBytes(5).toString('hex')}`
  readonly dataDir: string
  readonly engine: 'docker' | 'local'
  readonly api = new Api(() => this.url)
  readonly #settings: Record<string, string>
  #child: ChildProcess | null = null
  #url = ''
  #output = ''

  private constructor(dataDir: string, { engine = 'docker', link = 'auto', settings = {} }: ServerOptions) {
    this.dataDir = dataDir
    this.engine = engine
    const template: Record<string, string> = engine === 'local' ? { K2_DEFAULT_TEMPLATE: 'local' } : {}
    this.#settings = {
      K2_ENGINE: engine,
      K2_LINK: link,
      K2_STOP_GRACE: '2',
      K2_POOL_SIZE: '0',
      ...template,
      ...settings,
    }
  }

  /** Resolves when it listens. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const server = await Server.prepare(options)
    try {
      await server.startAgain()
      return server
    } catch (error) {
      await server.dispose()
      throw error
    }
  }

  /** The data folder only: `startAgain` starts it. */
  static async prepare(options: ServerOptions = {}): Promise<Server> {
    // Short: the path of a link's socket has to fit into 107 bytes.
    return new Server(await mkdtemp('/tmp/k2t-'), options)
  }

  get url(): string {
    if (this.#child === null) throw new Error('the server does not run')
    return this.#url
  }

  get pid(): number {
    const pid = this.#child?.pid
    if (pid === undefined) throw new Error('the server does not run')
    return pid
  }

  /** What it wrote since it was last started, log included. */
  get output(): string {
    return this.#output
  }

  /** Its resident memory now. */
  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
  }

  /** On the same data. Rejects with what it wrote when it exits instead of listening. */
  async startAgain(settings: Record<string, string> = {}): Promise<void> {
    const child = this.spawn(settings)
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const limit = setTimeout(
      () => reject(new Error(`the server did not listen in time\n${this.#output}`)),
      START_LIMIT_MS,
    )
    this.#output = ''
    const onOutput = (chunk: string) => {
      this.#output = (this.#output + chunk).slice(-4_000_000)
      const found = LISTENING.exec(this.#output)?.[1]
      if (found) resolve(found)
    }
    child.stdout?.setEncoding('utf8').on('data', onOutput)
    child.stderr?.setEncoding('utf8').on('data', onOutput)
    child.once('close', (code, signal) => {
      if (this.#child === child) this.#child = null
      reject(new Error(`the server ended with ${signal ?? code}\n${this.#output}`))
    })
    this.#child = child
    try {
      this.#url = await promise
    } finally {
      clearTimeout(limit)
    }
  }

  /** A process of the same settings, which the caller watches and ends. */
  spawn(settings: Record<string, string> = {}): ChildProcess {
    const { PATH, HOME, K2_DOCKER_HOST, DOCKER_HOST } = process.env
    const env = serverEnvironment({
      PATH,
      HOME,
      ...(K2_DOCKER_HOST ? { K2_DOCKER_HOST } : {}),
      ...(DOCKER_HOST ? { DOCKER_HOST } : {}),
      K2_DATA_DIR: this.dataDir,
      K2_INSTANCE: this.instance,
      K2_PORT: '0',
      ...this.#settings,
      ...settings,
    })
    return spawn(process.execPath, [...SERVER_FLAGS, MAIN], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  }

  /** SIGKILL: what a crash leaves is left. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** SIGTERM. Resolves with the exit code. */
  terminate(): Promise<number | null> {
    return this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (child === null) return null
    const closed = once(child, 'close')
    child.kill(signal)
    const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
    await closed
    clearTimeout(limit)
    return child.exitCode
  }

  async dispose(): Promise<void> {
    // The local engine's agents outlive the server, and nobody else could find them.
    if (this.engine === 'local' && this.#child !== null) {
      for (const { sandbox_id } of (await this.api.list()).sandboxes) await this.api.delete(sandbox_id)
      await this.#emptyPools()
      await this.terminate()
    }
    await this.kill()
    if (this.engine === 'docker') {
      const { docker, close } = openEngine()
      try {
        await removeInstance(docker, this.instance)
      } finally {
        close()
      }
    }
    await rm(this.dataDir, { recursive: true, force: true })
  }

  /** Those that wait in a pool are no caller's to delete: the server itself lets go of them when it wants none. */
  async #emptyPools(): Promise<void> {
    const { pools } = await this.api.json<{ pools: { name: string }[] }>('GET', '/pools')
    for (const { name } of pools) if (name !== 'default') await this.api.json('DELETE', `/pools/${name}`)
    if (!pools.some(({ name }) => name === 'default')) return
    await this.terminate()
    await this.startAgain({ K2_POOL_SIZE: '0' })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SERVER_FLAGS, serverEnvironment } from '../../scripts/server-process.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const START_LIMIT_MS = 90_000
const LISTENING = /^listening on (http:\/\/\S+)/
/** Errors of ours that the fault explains, and what the log says of them at level error. */
const EXPLAINED = new Set([
  'ENGINE_UNAVAILABLE',
  'ENGINE_TIMEOUT',
  'AGENT_UNAVAILABLE',
  'SANDBOX_START_FAILED',
  'DISK_FULL',
])

export interface ChaosServerOptions {
  dataDir: string
  instance: string
  settings: Record<string, string>
  /** Seconds that are added to its wall clock stand here. */
  clockFile: string
  tell: (line: string) => void
}

/** The real server as a process that is killed, stopped for a while and started again on the same data and the same port. */
export class ChaosServer {
  readonly instance: string
  readonly dataDir: string
  readonly #options: ChaosServerOptions
  #child: ChildProcess | null = null
  #port = '0'
  #url = 'http://127.0.0.1:9'
  #expectedEnd = false
  #frozen = false
  #listens = false
  /** What its log said that it should not: unhandled errors, errors of ours without a code, an end that nobody asked for. */
  readonly complaints: string[] = []

  constructor(options: ChaosServerOptions) {
    this.#options = options
    this.instance = options.instance
    this.dataDir = options.dataDir
  }

  get url(): string {
    return this.#url
  }

  /** It listens. */
  get runs(): boolean {
    return this.#listens
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Resolves when it listens; rejects with its last words when it ends instead. */
  async start(more: Record<string, string> = {}): Promise<void> {
    const { settings, dataDir, instance, clockFile } = this.#options
    const { PATH, HOME } = process.env
    const env = serverEnvironment({
      ...{ PATH, HOME },
      ...{ K2_DATA_DIR: dataDir, K2_INSTANCE: instance, K2_PORT: this.#port, K2_TEST_CLOCK_FILE: clockFile },
      ...settings,
      ...more,
    })
    const flags = [...SERVER_FLAGS, '--import', join(import.meta.dirname, 'shifted-clock.ts')]
    const child = spawn(process.execPath, [...flags, join(ROOT, 'src', 'main.ts')], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    this.#expectedEnd = false
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const words: string[] = []
    let listening = false
    const onLine = (line: string) => {
      words.push(line)
      if (words.length > 50) words.shift()
      const found = LISTENING.exec(line)?.[1]
      if (found) {
        listening = true
        resolve(found)
      } else if (listening || line.startsWith('{')) this.#read(line)
    }
    for (const stream of [child.stdout, child.stderr]) followLines(stream, onLine)
    child.once('close', (code, signal) => {
      if (this.#child === child) {
        this.#child = null
        this.#listens = false
      }
      if (listening && !this.#expectedEnd)
        this.complaints.push(`it ended by itself with ${signal ?? code}: ${words.slice(-5).join(' | ')}`)
      reject(new Error(`the server ended with ${signal ?? code}: ${words.slice(-3).join(' | ')}`))
    })
    const limit = setTimeout(() => reject(new Error('the server did not listen in time')), START_LIMIT_MS)
    try {
      this.#url = await promise
      this.#listens = this.#child === child
      // From now on the same: a client that tries again after a crash uses the address that it knows.
      this.#port = new URL(this.#url).port
    } finally {
      clearTimeout(limit)
    }
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Resolves with the exit code. */
  async terminate(): Promise<number | null> {
    return this.#end('SIGTERM')
  }

  freeze(): void {
    if (this.#child === null) return
    this.#frozen = true
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    if (!this.#frozen) return
    this.#frozen = false
    this.#child?.kill('SIGCONT')
  }

  /** Sets its wall clock to the machine's and `seconds`. */
  async setClock(seconds: number): Promise<void> {
    await writeFile(this.#options.clockFile, String(seconds))
    this.#child?.kill('SIGUSR2')
  }

  /** Ids that have a folder for their link. */
  async linkFolders(): Promise<string[]> {
    return await readdir(join(this.dataDir, 'run')).catch(() => [])
  }

  /** Its open files. */
  async handles(): Promise<number> {
    return (await readdir(`/proc/${this.pid}/fd`).catch(() => [])).length
  }

  async residentMb(): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8').catch(() => '')
    return Math.round(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024)
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (child === null) return null
    this.#expectedEnd = true
    this.#listens = false
    this.#frozen = false
    const closed = once(child, 'close')
    child.kill(signal)
    if (signal !== 'SIGKILL') child.kill('SIGCONT')
    const limit = setTimeout(() => child.kill('SIGKILL'), START_LIMIT_MS)
    await closed
    clearTimeout(limit)
    return child.exitCode
  }

  #read(line: string): void {
    const said = complaintOf(line)
    if (said === null) return
    this.#options.tell(`server: ${said}`)
    if (this.complaints.length < 50) this.complaints.push(said)
  }
}

/** What of a line of its output is a violation, else null. */
export function complaintOf(line: string): string | null {
  if (line.trim() === '') return null
  if (!line.startsWith('{')) return `it wrote "${line.slice(0, 300)}"`
  const { level, msg, code, err } = JSON.parse(line) as {
    level: number
    msg: string
    code?: string
    err?: { code?: string; message?: string; stack?: string }
  }
  const named = code ?? err?.code
  if (level < 50 && named !== 'INTERNAL') return null
  if (named !== undefined && EXPLAINED.has(named)) return null
  return `${msg}: ${named ?? ''} ${err?.stack?.slice(0, 600) ?? err?.message ?? ''}`.trim()
}

function followLines(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  let text = ''
  stream?.setEncoding('utf8')
  stream?.on('data', (chunk: string) => {
    text += chunk
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      onLine(text.slice(0, end))
      text = text.slice(end + 1)
    }
  })
}

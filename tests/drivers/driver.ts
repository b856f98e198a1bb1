/**
 * One language driver, started as the agent starts it (agent/internal/drivers/README.md), without an agent.
 * Everything that waits has a deadline, and closing ends the whole session.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, readdirSync, readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { StringDecoder } from 'node:string_decoder'
import { drain, openPipes } from './pipes.ts'

const DRIVERS = new URL('../../agent/internal/drivers/', import.meta.url)
const DEADLINE_MS = 20_000

export type Language = 'python' | 'javascript' | 'typescript'

export interface DriverOptions {
  /** The interpreter: a path, or a name in PATH. */
  program?: string
  /** Arguments before the boot program. */
  flags?: string[]
  /** On top of PATH, HOME and LANG: nothing else of this process is seen. */
  env?: Record<string, string>
  cwd?: string
}

export interface RunOptions {
  cwd?: string
  env?: Record<string, string>
  displayBytes?: number
  checkTypes?: boolean
  /** After it the run fails here; the driver is not told. */
  deadlineMs?: number
}

export interface Display {
  data: Record<string, unknown>
  main: boolean
  display_id: string | null
  update: boolean
  truncated: string[]
  ack: boolean
}

export interface Failure {
  name: string
  value: string
  traceback: string[] | null
}

export interface Result {
  stdout: string
  stderr: string
  displays: Display[]
  error: Failure | undefined
  exitCode: number
  /** All of it in the order it came; text that follows text of the same stream is joined to it. */
  order: ({ stdout: string } | { stderr: string } | { display: Display })[]
}

export interface Run {
  /** The driver read the request: an interrupt from now on is for the code. */
  started: Promise<void>
  /** Settles when the code has printed this text, to either stream. */
  printed(text: string): Promise<void>
  result: Promise<Result>
}

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

interface Current {
  id: string
  started: PromiseWithResolvers<void>
  ended: PromiseWithResolvers<Result>
  order: Result['order']
  error: Failure | undefined
  awaited: { text: string; seen: () => void }[]
}

export async function startDriver(language: Language, options: DriverOptions = {}): Promise<Driver> {
  const driver = new Driver(language, options)
  try {
    await driver.ready
    return driver
  } catch (error) {
    await driver.close()
    throw error
  }
}

export class Driver implements AsyncDisposable {
  readonly exited: Promise<Exit>
  readonly ready: Promise<void>
  readonly pid: number
  /** Of the language, as the driver says it. */
  version = ''
  /** Every event as it came, for tests of the protocol itself. */
  readonly events: Record<string, unknown>[] = []

  readonly #child: ChildProcess
  readonly #requests: Socket
  readonly #outputs: { stream: 'stdout' | 'stderr'; descriptor: number; decoder: StringDecoder }[]
  readonly #sockets: Socket[]
  #current: Current | undefined
  #count = 0
  /** Printed while no run was there: it belongs to the next. */
  #early: Result['order'] = []
  #over: Exit | undefined

  constructor(language: Language, options: DriverOptions) {
    const [stdout, stderr, requests, events, source] = openPipes(['read', 'read', 'write', 'read', 'write'])
    const pipes = [stdout!, stderr!, requests!, events!, source!]
    const { program, args, sources } = commandOf(language, options)
    this.#child = spawn(program, args, {
      cwd: options.cwd,
      detached: true,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, LANG: 'C.UTF-8', ...options.env },
      stdio: ['ignore', ...pipes.map((pipe) => pipe.theirs)],
    })
    for (const pipe of pipes) closeSync(pipe.theirs)
    this.pid = this.#child.pid ?? 0
    this.exited = new Promise((resolve) => {
      const ended = (code: number | null, signal: NodeJS.Signals | null) => resolve({ code, signal })
      this.#child.once('exit', ended).once('error', () => ended(null, null))
    })
    void this.exited.then((exit) => this.#ended(exit))

    this.#requests = writable(requests!.ours)
    this.#outputs = [
      { stream: 'stdout', descriptor: stdout!.ours, decoder: new StringDecoder('utf8') },
      { stream: 'stderr', descriptor: stderr!.ours, decoder: new StringDecoder('utf8') },
    ]
    const readers = this.#outputs.map((output) => {
      const socket = new Socket({ fd: output.descriptor, readable: true, writable: false })
      return socket.on('data', (bytes) => this.#print(output.stream, output.decoder.write(bytes))).on('error', () => {})
    })
    const eventReader = new Socket({ fd: events!.ours, readable: true, writable: false }).on('error', () => {})
    const sourceWriter = writable(source!.ours)
    sourceWriter.end(sources)
    this.#sockets = [...readers, eventReader, sourceWriter, this.#requests]

    const ready = Promise.withResolvers<void>()
    createInterface({ input: eventReader }).on('line', (line) => this.#receive(JSON.parse(line), ready.resolve))
    void this.exited.then((exit) => ready.reject(new Error(`the driver ended before it was ready: ${this.#say(exit)}`)))
    this.ready = within(DEADLINE_MS, 'ready', ready.promise)
    this.ready.catch(() => {})
  }

  /** Runs one cell to its end. */
  async run(code: string, options: RunOptions = {}): Promise<Result> {
    return await this.start(code, options).result
  }

  /** Begins a cell, for tests that do something while it runs. */
  start(code: string, options: RunOptions = {}): Run {
    if (this.#current) throw new Error('a run is still going on')
    if (this.#over) throw new Error(`the driver has ended: ${this.#say(this.#over)}`)
    this.#count += 1
    const id = String(this.#count)
    const run: Current = {
      id,
      started: Promise.withResolvers(),
      ended: Promise.withResolvers(),
      order: this.#early,
      error: undefined,
      awaited: [],
    }
    this.#early = []
    this.#current = run
    run.started.promise.catch(() => {})
    const { cwd = null, env = {}, displayBytes = 16 * 1024 * 1024, checkTypes, deadlineMs = DEADLINE_MS } = options
    this.#send({ op: 'run', id, code, cwd, env, display_bytes: displayBytes, check_types: checkTypes })
    const result = within(deadlineMs, `the end of ${JSON.stringify(code.slice(0, 100))}`, run.ended.promise)
    const started = within(deadlineMs, 'started', run.started.promise)
    // Whoever looks at one of them need not look at the other.
    for (const promise of [result, started]) promise.catch(() => {})
    return {
      started,
      printed: (text) =>
        within(
          deadlineMs,
          `the output ${JSON.stringify(text)}`,
          new Promise((seen) => {
            run.awaited.push({ text, seen })
            noticeAwaited(run)
          }),
        ),
      result,
    }
  }

  /** SIGINT to the process group, as the agent does it. */
  interrupt(): void {
    process.kill(-this.pid, 'SIGINT')
  }

  /** Ends the requests, as the agent does, and waits: the driver has its 2 s for exit handlers. */
  async close(): Promise<Exit> {
    this.#requests.destroy()
    try {
      return await within(5_000, 'the end of the driver', this.exited)
    } finally {
      this.#killAll()
      for (const socket of this.#sockets) socket.destroy()
    }
  }

  /** Closes our end of the events, as a lost agent would. */
  closeEvents(): void {
    this.#sockets[2]?.destroy()
  }

  /** What was printed since the last run ended. */
  get printedBetween(): Result['order'] {
    return this.#early
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #killAll(): void {
    try {
      process.kill(-this.pid, 'SIGKILL')
    } catch {
      // Nobody of the group is left.
    }
  }

  #send(request: object): void {
    this.#requests.write(`${JSON.stringify(request)}\n`)
  }

  #receive(event: Record<string, unknown>, ready: () => void): void {
    this.events.push(event)
    const run = this.#current
    if (event.type === 'ready') {
      this.version = String(event.version)
      ready()
      return
    }
    if (!run || event.id !== run.id) return
    if (event.type === 'started') run.started.resolve()
    if (event.type === 'error') run.error = failureOf(event as unknown as Failure)
    if (event.type === 'display') this.#show(run, event as unknown as Display)
    if (event.type === 'end') {
      this.#drainOutputs()
      this.#current = undefined
      run.ended.resolve({
        stdout: textOf(run, 'stdout'),
        stderr: textOf(run, 'stderr'),
        displays: run.order.flatMap((item) => ('display' in item ? [item.display] : [])),
        error: run.error,
        exitCode: event.exit_code as number,
        order: run.order,
      })
    }
  }

  #show(run: Current, display: Display): void {
    this.#drainOutputs()
    run.order.push({ display })
    if (display.ack) this.#send({ op: 'ack' })
  }

  #drainOutputs(): void {
    for (const { stream, descriptor, decoder } of this.#outputs) this.#print(stream, decoder.write(drain(descriptor)))
  }

  #print(stream: 'stdout' | 'stderr', text: string): void {
    if (text === '') return
    const order = this.#current?.order ?? this.#early
    const last = order.at(-1)
    if (stream === 'stdout' && last && 'stdout' in last) last.stdout += text
    else if (stream === 'stderr' && last && 'stderr' in last) last.stderr += text
    else order.push(stream === 'stdout' ? { stdout: text } : { stderr: text })
    if (this.#current) noticeAwaited(this.#current)
  }

  #ended(exit: Exit): void {
    this.#over = exit
    const error = new Error(`the driver ended in a run: ${this.#say(exit)}`)
    this.#current?.started.reject(error)
    this.#current?.ended.reject(error)
  }

  #say({ code, signal }: Exit): string {
    const printed = (this.#current?.order ?? this.#early).map((item) => Object.values(item).join('')).join('')
    return `exit code ${code}, signal ${signal}, printed ${JSON.stringify(printed)}`
  }
}

function commandOf(language: Language, { program, flags = [] }: DriverOptions) {
  const folder = new URL(`${language === 'python' ? 'python' : 'node'}/`, DRIVERS)
  const boot = readFileSync(new URL('boot.txt', folder), 'utf8').trim()
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(py|js)$/.test(name))
  const sources = JSON.stringify(
    Object.fromEntries(names.map((name) => [name, readFileSync(new URL(name, folder), 'utf8')])),
  )
  return language === 'python'
    ? { program: program ?? 'python3', args: [...flags, '-c', boot], sources }
    : { program: program ?? process.execPath, args: [...flags, '-e', boot, '--', language], sources }
}

function failureOf({ name, value, traceback }: Failure): Failure {
  return { name, value, traceback }
}

function writable(descriptor: number): Socket {
  return new Socket({ fd: descriptor, readable: false, writable: true }).on('error', () => {})
}

function textOf(run: Current, stream: 'stdout' | 'stderr'): string {
  return run.order.map((item) => (stream in item ? (item as Record<string, string>)[stream] : '')).join('')
}

function noticeAwaited(run: Current): void {
  const text = textOf(run, 'stdout') + textOf(run, 'stderr')
  run.awaited = run.awaited.filter((awaited) => {
    if (text.includes(awaited.text)) awaited.seen()
    return !text.includes(awaited.text)
  })
}

async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing after ${ms} ms: ${what}`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

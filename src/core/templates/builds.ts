import { SandboxError } from '../../errors.ts'
import { deadline } from '../../lib/deadline.ts'
import { newSandboxId } from '../../lib/ids.ts'
import type { Store } from '../../store/store.ts'
import type { Clock } from '../clock.ts'
import type { NewEvent } from '../events/event.ts'
import type { Journal } from '../events/journal.ts'
import type { Log } from '../log.ts'
import type { CallOptions } from '../model.ts'
import { BuildLog } from './build-log.ts'
import { BuildFault, type BuildParts, type Built, runBuild } from './build-run.ts'
import type { BuildEvent, BuildFailure, BuildSource, BuildView } from './model.ts'
import type { BuildRecord } from './template-record.ts'

export interface BuildsParts extends BuildParts {
  store: Store
  clock: Clock
  log: Log
  builds: { atOnce: number; queued: number; logBytes: number }
  /** A build is done: what is to hold from now on. */
  onBuilt(template: string, built: Built): void
  journal: Pick<Journal, 'append'>
}

interface Running {
  record: BuildRecord
  log: BuildLog
  end: AbortController
  done: Promise<void> | null
}

const NO_SOURCE: BuildSource = { files: [], buildArgs: {}, limits: {} }
/** Of each template. */
const KEPT_BUILDS = 10

/** Builds, one after the other; they go on without whoever asked for them. */
export class Builds {
  readonly #parts: BuildsParts
  readonly #records = new Map<string, BuildRecord>()
  /** Queued or under way. */
  readonly #open = new Map<string, Running>()
  #closed = false

  constructor(parts: BuildsParts) {
    this.#parts = parts
    for (const { id, body } of parts.store.templates.builds()) this.#records.set(id, JSON.parse(body) as BuildRecord)
  }

  /** What was under way when the process of before ended has failed; its sandbox is removed as all half-made ones. */
  open(): void {
    for (const record of this.#records.values()) {
      if (isOver(record)) continue
      this.#finish(record, 'failed', failure('the server was restarted during the build; rebuild it'))
    }
  }

  /** Queues one, of the source that is written down then. SERVER_BUSY, TEMPLATE_NOT_READY while another of the template is under way. */
  start(template: string, { noCache, steps }: { noCache: boolean; steps: number }): BuildView {
    this.requireRoom(template)
    const { store, clock, builds } = this.#parts
    const record: BuildRecord = {
      id: newSandboxId(),
      template,
      status: 'queued',
      step: 0,
      steps,
      cached: 0,
      failure: null,
      noCache,
      createdAt: clock.now(),
      startedAt: null,
      finishedAt: null,
    }
    store.templates.saveBuild({ id: record.id, template, body: JSON.stringify(record) })
    this.#records.set(record.id, record)
    const log = new BuildLog({ limitBytes: builds.logBytes })
    this.#open.set(record.id, { record, log, end: new AbortController(), done: null })
    // After the transaction that this may be part of.
    setImmediate(() => this.#next())
    return { ...record }
  }

  requireRoom(template: string): void {
    if (this.#closed) throw new SandboxError('SHUTTING_DOWN', 'the server is stopping')
    const other = [...this.#open.values()].find(({ record }) => record.template === template)
    if (other)
      throw new SandboxError(
        'TEMPLATE_NOT_READY',
        `the template "${template}" is being built already; wait for the build ${other.record.id}, or delete it`,
      )
    const { atOnce, queued } = this.#parts.builds
    if (this.#open.size >= atOnce + queued)
      throw new SandboxError('SERVER_BUSY', `${queued} builds are waiting already; try again later`, {
        details: { retryAfterSeconds: 30 },
      })
  }

  /** Latest first. */
  list(template: string): BuildView[] {
    return [...this.#records.values()].filter((record) => record.template === template).reverse()
  }

  latest(template: string): BuildView | null {
    return this.list(template)[0] ?? null
  }

  /** BUILD_NOT_FOUND */
  get(template: string, id: string): BuildView {
    const record = this.#records.get(id)
    if (record?.template === template) return record
    throw new SandboxError('BUILD_NOT_FOUND', `the template "${template}" has no build ${id}; it may be too long ago`)
  }

  /** What is there of its log after an offset. BUILD_NOT_FOUND */
  readLog(template: string, id: string, offset: number): BuildEvent[] {
    return this.#logOf(this.get(template, id)).since(offset)
  }

  /** The same as it comes, to the end of the build: how it is then. */
  async follow(
    template: string,
    id: string,
    offset: number,
    onEvent: (event: BuildEvent) => void | Promise<void>,
    { signal }: CallOptions = {},
  ): Promise<BuildView> {
    const record = this.get(template, id)
    await this.#logOf(record).follow(offset, onEvent, { signal })
    return this.#records.get(id) ?? record
  }

  /** Ends one that is under way; one that is over is forgotten. BUILD_NOT_FOUND */
  async remove(template: string, id: string): Promise<void> {
    const record = this.get(template, id)
    const running = this.#open.get(id)
    if (running) await this.#cancel(running)
    else {
      this.#parts.store.templates.removeBuild(id)
      this.#records.delete(record.id)
    }
  }

  /** All are forgotten at once, and written down no more; resolves when what was under way has ended. The caller removes their rows. */
  async forget(template: string): Promise<void> {
    for (const { id } of this.list(template)) this.#records.delete(id)
    const open = [...this.#open.values()].filter(({ record }) => record.template === template)
    await Promise.all(open.map((running) => this.#cancel(running)))
  }

  /** Ends what is under way, as failed. */
  async close(): Promise<void> {
    this.#closed = true
    const why = new SandboxError('SHUTTING_DOWN', 'the server was stopped during the build; rebuild it')
    const running = [...this.#open.values()]
    for (const one of running) {
      if (one.done === null) this.#end(one, 'failed', failure(why.message))
      one.end.abort(why)
    }
    await Promise.all(running.map(({ done }) => done))
  }

  async #cancel(running: Running): Promise<void> {
    const why = new SandboxError('CLIENT_GONE', 'the build was cancelled')
    if (running.done === null) this.#end(running, 'cancelled', failure(why.message))
    running.end.abort(why)
    await running.done
    this.#next()
  }

  #next(): void {
    const all = [...this.#open.values()]
    let free = this.#parts.builds.atOnce - all.filter(({ done }) => done !== null).length
    for (const running of all) {
      if (running.done !== null || free <= 0 || this.#closed) continue
      free--
      running.done = this.#run(running).finally(() => this.#next())
    }
  }

  /** Never rejects. */
  async #run(running: Running): Promise<void> {
    const { limits, clock, log, templates } = this.#parts
    const { record } = running
    const { id, template, noCache } = record
    // Not kept in the queue: it may be large.
    const source = templates.sourceOf(template) ?? NO_SOURCE
    const timeoutMs = Math.min((source.limits.timeoutSeconds ?? 0) * 1000 || limits.timeoutMs, limits.timeoutMs)
    using limit = deadline(timeoutMs, () => tooLong(timeoutMs), running.end.signal)
    const holds: Disposable[] = []
    this.#update(record, { status: 'building', startedAt: clock.now() })
    try {
      const job = {
        template,
        source,
        noCache,
        log: running.log,
        signal: limit.signal,
        onProgress: ({ step, steps, cached }: { step: number; steps: number; cached: number }) =>
          this.#update(record, { step, steps, ...(cached >= 0 && { cached }) }),
      }
      const built = await runBuild(this.#parts, job, (hold) => holds.push(hold))
      this.#parts.onBuilt(template, built)
      this.#end(running, 'ready', null)
    } catch (error) {
      const { aborted, reason } = running.end.signal
      const cancelled = aborted && reason instanceof SandboxError && reason.code === 'CLIENT_GONE'
      log.info({ template, build: id, err: error }, 'a build did not come to its end')
      const why = error instanceof BuildFault ? error.failure : failure(SandboxError.from(error).message, record)
      this.#end(running, cancelled ? 'cancelled' : 'failed', why)
    } finally {
      for (const hold of holds) hold[Symbol.dispose]()
      this.#parts.images.sweep()
    }
  }

  #end(running: Running, status: BuildRecord['status'], why: BuildFailure | null): void {
    const { record, log } = running
    this.#open.delete(record.id)
    try {
      if (this.#records.has(record.id)) {
        this.#parts.store.templates.saveLog(record.id, log.toString())
        this.#finish(record, status, why)
        this.#dropOld(record.template)
      }
    } catch (err) {
      this.#parts.log.error({ build: record.id, err }, 'could not write down how a build ended')
      Object.assign(record, { status, failure: why })
    }
    log.end()
  }

  #finish(record: BuildRecord, status: BuildRecord['status'], why: BuildFailure | null): void {
    this.#update(record, { status, failure: why, finishedAt: this.#parts.clock.now() })
  }

  #update(record: BuildRecord, change: Partial<BuildRecord>): void {
    const { id, template, status } = record
    const next = { ...record, ...change }
    const { store, journal } = this.#parts
    if (this.#records.has(id)) {
      const event = status === next.status ? null : eventOf(next)
      store.transaction(() => {
        store.templates.saveBuild({ id, template, body: JSON.stringify(next) })
        if (event) journal.append(event)
      })
    }
    Object.assign(record, change)
  }

  #dropOld(template: string): void {
    for (const { id } of this.list(template).slice(KEPT_BUILDS)) {
      this.#parts.store.templates.removeBuild(id)
      this.#records.delete(id)
    }
  }

  #logOf({ id }: BuildView): BuildLog {
    return this.#open.get(id)?.log ?? BuildLog.parse(this.#parts.store.templates.logOf(id))
  }
}

function eventOf({ id, template, status, failure: why }: BuildRecord): NewEvent | null {
  const about = { template, build_id: id }
  if (status === 'ready') return { type: 'template.built', sandboxId: null, data: about }
  if (status !== 'failed') return null
  const data = { ...about, reason: why?.message ?? null, step: why?.step ?? null }
  return { type: 'template.failed', sandboxId: null, data }
}

const isOver = ({ status }: BuildView) => status !== 'queued' && status !== 'building'

function failure(message: string, at?: BuildRecord): BuildFailure {
  const step = at?.step || null
  return { message, step, line: null, text: null, exitCode: null, output: null }
}

function tooLong(timeoutMs: number): SandboxError {
  return new SandboxError(
    'ENGINE_TIMEOUT',
    `the build was ended after ${timeoutMs / 1000} s; give it more time (build.timeout, K2_BUILD_TIMEOUT) or do less in it`,
  )
}

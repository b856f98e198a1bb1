import { posix } from 'node:path'
import type { AgentClient } from '../../agent/client.ts'
import { runToEnd } from '../../agent/run-to-end.ts'
import type { ProcessStatus } from '../../agent/types.ts'
import type { Network, Resources, Template } from '../../engine/types.ts'
import { isSandboxError, SandboxError } from '../../errors.ts'
import { newProcessId } from '../../lib/ids.ts'
import type { KeyedLock } from '../../lib/keyed-lock.ts'
import { type DiscardParts, discard } from '../discard.ts'
import { launch } from '../launch.ts'
import type { CallOptions } from '../model.ts'
import { newRecord, type SandboxRules } from '../new-record.ts'
import type { SandboxRecord } from '../record.ts'
import type { StartParts } from '../start.ts'
import type { CopiedFile } from './context-files.ts'
import type { Layer, Work } from './plan.ts'
import { programOf } from './program.ts'

export interface BuildSandboxParts extends StartParts, DiscardParts {
  locks: KeyedLock
  rules: SandboxRules
}

export interface BuildSandboxOptions extends CallOptions {
  template: Template
  resources: Partial<Resources>
  network: Network
}

export interface RunOptions extends CallOptions {
  timeoutMs: number
  onOutput: (stream: 'stdout' | 'stderr', bytes: Uint8Array) => void
}

const ROOT = '0'

/** The sandbox that steps are done in: as limited as any other, and seen by nobody. */
export class BuildSandbox implements Disposable {
  readonly #parts: BuildSandboxParts
  readonly record: SandboxRecord

  private constructor(parts: BuildSandboxParts, record: SandboxRecord) {
    this.#parts = parts
    this.record = record
  }

  /** Leaves nothing behind when it throws. NOT_SUPPORTED_BY_ENGINE where an engine can't. */
  static async open(
    parts: BuildSandboxParts,
    { template, resources, network, signal }: BuildSandboxOptions,
  ): Promise<BuildSandbox> {
    const { registry, locks, queue, rules, clock, startTimeoutMs } = parts
    const request = { user: ROOT, cwd: '/', resources, network }
    const record: SandboxRecord = { ...newRecord(request, template, rules, clock.now()), status: 'building' }
    registry.add(record)
    const sandbox = new BuildSandbox(parts, record)
    try {
      const how = { kind: 'new', template } as const
      const start = () => launch({ ...parts, record, how, timeoutMs: startTimeoutMs }, { signal })
      const { fixed, ...launched } = await locks.run(record.id, () => queue.run(start, { signal }))
      if (fixed !== null)
        throw new SandboxError(
          'NOT_SUPPORTED_BY_ENGINE',
          'this engine runs all as one user in one folder, so nothing can be built with it; use the docker engine',
        )
      registry.update(record.id, launched)
      return sandbox
    } catch (error) {
      sandbox[Symbol.dispose]()
      throw error
    }
  }

  /** Its exit is a result; what it left running is killed. */
  async run(
    { user, workdir, work }: Layer & { work: Extract<Work, { kind: 'run' }> },
    options: RunOptions,
  ): Promise<ProcessStatus> {
    const { live } = this.#parts
    const { gone, link } = live.of(this.record)
    const signal = options.signal ? AbortSignal.any([gone, options.signal]) : gone
    const client = await live.client(this.record, { signal })
    await makeFolder(client, workdir, { signal })
    const id = newProcessId()
    const request = {
      ...programOf(work.command),
      id,
      env: work.env,
      cwd: workdir,
      user: user ?? ROOT,
      timeoutMs: options.timeoutMs,
    }
    try {
      return await runToEnd(link, request, {
        signal,
        onOutput: (event) => {
          if (event.type === 'stdout' || event.type === 'stderr') options.onOutput(event.type, event.bytes)
        },
      })
    } catch (error) {
      if (gone.aborted) throw gone.reason
      if (isSandboxError(error, 'COMMAND_NOT_FOUND') && typeof work.command === 'string')
        throw new SandboxError(
          'COMMAND_NOT_FOUND',
          'the image has no /bin/sh for RUN; begin with one that has, or use RUN ["program", "argument"]',
          { cause: error },
        )
      throw error
    } finally {
      if (!signal.aborted) await client.forgetProcess(id, { signal }).catch(() => undefined)
    }
  }

  async copy({ work }: { work: Extract<Work, { kind: 'copy' }> }, options: CallOptions): Promise<void> {
    const { live } = this.#parts
    const { gone } = live.of(this.record)
    const signal = options.signal ? AbortSignal.any([gone, options.signal]) : gone
    const client = await live.client(this.record, { signal })
    const { copied, target, owner, mode } = work
    const into = copied.intoFolder || (await isFolder(client, target, { signal }))
    if (into) await makeFolder(client, target, { signal, owner })
    const made = new Set<string>()
    for (const file of copied.files) {
      const path = into ? posix.join(target, file.name) : target
      for (const folder of foldersOf(into ? file.name : '')) {
        if (made.has(folder)) continue
        made.add(folder)
        await makeFolder(client, posix.join(target, folder), { signal, owner })
      }
      await client.writeFile(path, ROOT, Buffer.from(file.content, 'base64'), {
        signal,
        mode: mode ?? file.mode,
        owner: owner ?? ROOT_OWNER,
      })
    }
  }

  /** Removed in the background. Idempotent. */
  [Symbol.dispose](): void {
    if (this.record.status === 'building') discard(this.#parts, this.record, 'build')
  }
}

const ROOT_OWNER = '0:0'

async function makeFolder(
  client: AgentClient,
  path: string,
  { signal, owner = null }: CallOptions & { owner?: string | null },
): Promise<void> {
  if (await isFolder(client, path, { signal })) return
  await client.mkdir(path, ROOT, { signal, mode: 0o755 })
  if (owner !== null) await client.setAttributes(path, ROOT, { owner }, { signal })
}

async function isFolder(client: AgentClient, path: string, { signal }: CallOptions): Promise<boolean> {
  try {
    return (await client.stat(path, ROOT, { signal })).type === 'directory'
  } catch (error) {
    if (isSandboxError(error, 'FILE_NOT_FOUND') || isSandboxError(error, 'PATH_NOT_DIRECTORY')) return false
    throw error
  }
}

/** Folders that a relative path goes through, from the outside in. */
function foldersOf(name: CopiedFile['name']): string[] {
  const parts = name.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

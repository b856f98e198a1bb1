import { followToEnd } from '../agent/run-to-end.ts'
import type { OutputEvent, ProcessStatus } from '../agent/types.ts'
import { SandboxError } from '../errors.ts'
import { incompleteTail } from '../lib/text.ts'
import { toEnded } from './executions.ts'
import { noRoom, UNCOUNTED_BYTES } from './file-limit.ts'
import type { LiveSandboxes } from './live.ts'
import { LiveOutput } from './live-output.ts'
import type { CallOptions, CodeError, OnRunEvent, OutputPart, OutputStreams, RunEnd } from './model.ts'
import type { SandboxRecord } from './record.ts'
import { toRunningProcess } from './running-process.ts'
import type { Wake } from './wake.ts'

/** Where to begin, and which output. `tail`: so many bytes before the end of what there is; not together with `offset`. */
export interface OutputFrom {
  offset?: number | undefined
  tail?: number | undefined
  streams?: OutputStreams | undefined
}

/**
 * The output of processes and runs, from any offset that is still there. Offsets count all that was printed and displayed. Reading
 * counts as use; a reader who leaves changes nothing.
 */
export class ProcessOutput {
  readonly #live: LiveSandboxes
  readonly #wake: Wake

  constructor(parts: { live: LiveSandboxes; wake: Wake }) {
    this.#live = parts.live
    this.#wake = parts.wake
  }

  /** What is there now, at most `limitBytes`. `wholeCharacters`: does not end inside one of UTF-8. PROCESS_NOT_FOUND, INVALID_REQUEST. */
  async read(
    id: string,
    processId: string,
    from: OutputFrom & { limitBytes: number; wholeCharacters: boolean },
    { signal, memory }: CallOptions = {},
  ): Promise<OutputPart> {
    using use = await this.#wake.use(id, { signal })
    const { record } = use
    const client = await this.#live.client(record, { signal })
    const offset = await this.#begin(record, processId, from, { signal })
    const output = await client.followOutput(processId, offset, { signal, follow: false })
    const part = new Part(offset, from, memory)
    for await (const event of output) {
      if (!part.take(event)) break
    }
    return part.end()
  }

  /**
   * All from there on, as it happens, until the process has ended. What fails before `onStart` has told nothing. A lost link is
   * taken up again where it was cut.
   */
  async follow(
    id: string,
    processId: string,
    from: OutputFrom,
    onEvent: OnRunEvent,
    { signal }: CallOptions = {},
  ): Promise<RunEnd & { error: CodeError | null; stateLost: boolean }> {
    using use = await this.#wake.use(id, { signal })
    const { record, gone } = use
    const { link } = this.#live.of(record)
    const bounded = signal ? AbortSignal.any([signal, gone]) : gone
    const offset = await this.#begin(record, processId, from, { signal: bounded })
    const wanted = filterOf(from.streams)
    const output = new LiveOutput((event) => (wanted(event.type) ? onEvent(event) : undefined), offset)
    const status = await followToEnd(
      link,
      { id: processId, offset },
      {
        signal: bounded,
        onStart: (started: ProcessStatus) => output.start(started, null, started.contextId),
        onOutput: output.take,
      },
    ).catch((error: unknown) => {
      throw gone.aborted ? gone.reason : error
    })
    const { droppedBytes, ...end } = toEnded(status)
    return { ...end, truncated: output.truncated || droppedBytes > 0, error: output.error }
  }

  async #begin(
    record: SandboxRecord,
    processId: string,
    { offset, tail }: OutputFrom,
    { signal }: CallOptions,
  ): Promise<number> {
    if (tail === undefined) return offset ?? 0
    if (offset !== undefined)
      throw new SandboxError('INVALID_REQUEST', 'give either offset, from the beginning, or tail, from the end')
    const client = await this.#live.client(record, { signal })
    return Math.max(0, (await client.getProcess(processId, { signal })).outputBytes - tail)
  }
}

function filterOf(streams: OutputStreams = 'both'): (type: string) => boolean {
  if (streams === 'both') return () => true
  const other = streams === 'stdout' ? 'stderr' : 'stdout'
  return (type) => type !== other
}

/** Collects a part of an output. */
class Part {
  readonly #wanted: (type: string) => boolean
  readonly #wholeCharacters: boolean
  readonly #memory: CallOptions['memory']
  readonly #chunks: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] }
  #nextOffset: number
  #leftBytes: number
  #takenBytes = 0
  #droppedBytes = 0
  #complete = false
  #last: 'stdout' | 'stderr' | null = null
  #status: ProcessStatus | null = null

  constructor(
    offset: number,
    { streams, limitBytes, wholeCharacters }: OutputFrom & { limitBytes: number; wholeCharacters: boolean },
    memory: CallOptions['memory'],
  ) {
    this.#nextOffset = offset
    this.#leftBytes = limitBytes
    this.#wanted = filterOf(streams)
    this.#wholeCharacters = wholeCharacters
    this.#memory = memory
  }

  /** False when the limit is reached. */
  take(event: OutputEvent): boolean {
    switch (event.type) {
      case 'status':
        this.#status = event.status
        return true
      case 'ended':
        this.#status = event.status
        this.#complete = true
        return false
      case 'dropped':
        this.#droppedBytes += event.sizeBytes
        this.#nextOffset += event.sizeBytes
        return true
      case 'event':
        this.#nextOffset += event.sizeBytes
        return true
      case 'time':
        return true
      default:
        return this.#takeBytes(event.type, event.bytes)
    }
  }

  end(): OutputPart {
    if (this.#status === null) throw new SandboxError('INTERNAL', 'an output came without its status')
    const stdout = Buffer.concat(this.#chunks.stdout)
    const stderr = Buffer.concat(this.#chunks.stderr)
    const last = this.#last === 'stderr' ? stderr : stdout
    const cut = this.#wholeCharacters && !this.#complete && this.#last !== null ? incompleteTail(last) : 0
    const process = toRunningProcess(this.#status)
    return {
      stdout: last === stdout ? stdout.subarray(0, stdout.length - cut) : stdout,
      stderr: last === stderr ? stderr.subarray(0, stderr.length - cut) : stderr,
      nextOffset: this.#nextOffset - cut,
      droppedBytes: this.#droppedBytes,
      complete: this.#complete,
      process,
    }
  }

  #takeBytes(type: 'stdout' | 'stderr', bytes: Buffer): boolean {
    if (!this.#wanted(type)) {
      this.#nextOffset += bytes.length
      return true
    }
    if (this.#leftBytes === 0) return false
    const taken = bytes.subarray(0, this.#leftBytes)
    this.#takenBytes += taken.length
    if (this.#takenBytes > UNCOUNTED_BYTES && this.#memory?.take(taken.length) === false) throw noRoom()
    this.#chunks[type].push(taken)
    this.#last = type
    this.#leftBytes -= taken.length
    this.#nextOffset += taken.length
    return taken.length === bytes.length
  }
}

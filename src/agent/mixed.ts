import { AnswerError, readRunEvent, readStatus } from './answers.ts'
import { LARGEST_DISPLAY_BYTES, type OutputEvent, type RunEvent } from './types.ts'

/** Of any frame, checked before anything is kept; of an event, a display with what stands around it. */
const PAYLOAD_LIMIT_BYTES = 1024 * 1024
const EVENT_LIMIT_BYTES = LARGEST_DISPLAY_BYTES + 1024 * 1024
const EVENT = 6
const HEADER_BYTES = 8

/**
 * The frames of `application/vnd.k2.mixed` (agent/README.md) out of chunks that are cut anywhere. Output is passed on as it
 * comes, without copies, also in the middle of a frame; of the other frames at most one is kept.
 * AnswerError for what the protocol doesn't know.
 */
export class MixedParser {
  readonly #header = Buffer.alloc(HEADER_BYTES)
  #headerBytes = 0
  #type = -1
  /** Of the payload, still to come. */
  #left = 0
  #kept: Buffer[] = []
  #state: 'first' | 'open' | 'ended' = 'first'

  /** The stream may end here: its last frame was `ended`. */
  get ended(): boolean {
    return this.#state === 'ended'
  }

  /** What this chunk completes, in order. Bytes of events are views of the chunk. */
  push(chunk: Buffer): OutputEvent[] {
    const events: OutputEvent[] = []
    let at = 0
    while (at < chunk.length) {
      if (this.#state === 'ended') throw new AnswerError('bytes follow the last frame')
      if (this.#type < 0) {
        at += this.#takeHeader(chunk, at)
        if (this.#type < 0 || this.#left > 0) continue
      }
      const piece = chunk.subarray(at, at + this.#left)
      at += piece.length
      this.#left -= piece.length
      const event = this.#takePayload(piece)
      if (this.#left === 0) this.#type = -1
      if (event !== null) events.push(event)
    }
    return events
  }

  /** Returns how many bytes it took; the header is complete when `#type` is set. */
  #takeHeader(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#header, this.#headerBytes, at, at + HEADER_BYTES - this.#headerBytes)
    this.#headerBytes += taken
    if (this.#headerBytes < HEADER_BYTES) return taken
    this.#headerBytes = 0
    const [type = -1, ...rest] = this.#header.subarray(0, 4)
    const length = this.#header.readUInt32BE(4)
    if (type > EVENT) throw new AnswerError(`frame type ${type} is unknown`)
    if (rest.some((byte) => byte !== 0)) throw new AnswerError('a frame header has bytes where zeros belong')
    if (length > (type === EVENT ? EVENT_LIMIT_BYTES : PAYLOAD_LIMIT_BYTES))
      throw new AnswerError(`a frame of ${length} bytes is above the limit`)
    if ((type === 0) !== (this.#state === 'first'))
      throw new AnswerError('the first frame, and only it, must be of type 0')
    if ((type === 4 || type === 5) && length !== 8)
      throw new AnswerError(`a frame of type ${type} has ${length} bytes instead of 8`)
    this.#state = 'open'
    this.#type = type
    this.#left = length
    return taken
  }

  #takePayload(piece: Buffer): OutputEvent | null {
    if (this.#type === 1 || this.#type === 2) {
      return piece.length === 0 ? null : { type: this.#type === 1 ? 'stdout' : 'stderr', bytes: piece }
    }
    if (this.#left > 0) {
      this.#kept.push(piece)
      return null
    }
    const payload = this.#kept.length === 0 ? piece : Buffer.concat([...this.#kept, piece])
    this.#kept = []
    switch (this.#type) {
      case 0:
        return { type: 'status', status: parseStatus(payload) }
      case 3: {
        this.#state = 'ended'
        const status = parseStatus(payload)
        if (status.state !== 'exited') throw new AnswerError('the last frame says that the process is running')
        return { type: 'ended', status }
      }
      case EVENT:
        return { type: 'event', event: parseEvent(payload), sizeBytes: payload.length }
      case 4:
        return { type: 'time', timestampMs: readCount(payload) / 1000 }
      default:
        return { type: 'dropped', sizeBytes: readCount(payload) }
    }
  }
}

function parseEvent(payload: Buffer): RunEvent | null {
  try {
    return readRunEvent(JSON.parse(payload.toString('utf8')))
  } catch {
    return null
  }
}

function parseStatus(payload: Buffer) {
  let value: unknown
  try {
    value = JSON.parse(payload.toString('utf8'))
  } catch (error) {
    throw new AnswerError('a status frame is not JSON', { cause: error })
  }
  return readStatus(value)
}

function readCount(payload: Buffer): number {
  const value = payload.readBigUInt64BE()
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new AnswerError('a number in a frame is out of range')
  return Number(value)
}

import type { Duplex } from 'node:stream'
import { duplexPair } from 'node:stream'

const PREFACE_BYTES = 24
export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  continuation: 9,
} as const
export const END_STREAM = 1
export const END_HEADERS = 4
const ACK = 1
/** HPACK: the static table's `:status: 200`. */
export const STATUS_200 = Buffer.from([0x88])

/** An HTTP/2 peer whose every byte is the test's: what no library would send. Answers SETTINGS, and PING unless told not to. */
export class RawPeer {
  /** For the client. */
  readonly connection: Duplex
  readonly #socket: Duplex
  #received = Buffer.alloc(0)
  #prefaced = false

  constructor(options: { onRequest: (streamId: number, peer: RawPeer) => void; answersPings?: boolean }) {
    const [near, far] = duplexPair()
    this.connection = near
    this.#socket = far
    far.on('error', () => {})
    far.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      if (!this.#prefaced) {
        if (this.#received.length < PREFACE_BYTES) return
        this.#prefaced = true
        this.#received = this.#received.subarray(PREFACE_BYTES)
        this.send(FRAME.settings, 0, 0)
      }
      for (;;) {
        if (this.#received.length < 9) return
        const length = this.#received.readUIntBE(0, 3)
        if (this.#received.length < 9 + length) return
        const type = this.#received[3]
        const flags = this.#received[4] ?? 0
        const streamId = this.#received.readUInt32BE(5)
        const payload = Buffer.from(this.#received.subarray(9, 9 + length))
        this.#received = this.#received.subarray(9 + length)
        if (type === FRAME.settings && (flags & ACK) === 0) this.send(FRAME.settings, ACK, 0)
        if (type === FRAME.ping && (flags & ACK) === 0 && options.answersPings !== false)
          this.send(FRAME.ping, ACK, 0, payload)
        if (type === FRAME.headers) options.onRequest(streamId, this)
      }
    })
  }

  send(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): boolean {
    const header = Buffer.alloc(9)
    header.writeUIntBE(payload.length, 0, 3)
    header[3] = type
    header[4] = flags
    header.writeUInt32BE(streamId, 5)
    return this.#socket.write(Buffer.concat([header, payload]))
  }

  /** A whole answer. */
  answer(streamId: number, body: object): void {
    this.send(FRAME.headers, END_HEADERS, streamId, STATUS_200)
    this.send(FRAME.data, END_STREAM, streamId, Buffer.from(JSON.stringify(body)))
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  end(): void {
    this.#socket.end()
  }
}

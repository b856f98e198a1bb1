import { once } from 'node:events'
import { WebSocket } from 'ws'
import { waitFor } from './wait-for.ts'

/** A WebSocket as a program uses one: what came is kept, in order. */
export class TestSocket {
  readonly #socket: WebSocket
  readonly texts: unknown[] = []
  #chunks: Buffer[] = []
  #close: { code: number; reason: string } | null = null

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary) this.#chunks.push(data)
      else this.texts.push(JSON.parse(data.toString('utf8')))
    })
    socket.on('close', (code, reason) => {
      this.#close = { code, reason: reason.toString('utf8') }
    })
  }

  /** Rejects with the status and body of a refusal. */
  static async open(url: string, protocol?: string): Promise<TestSocket> {
    const socket = new WebSocket(url.replace(/^http/, 'ws'), protocol ? [protocol] : [])
    const opened = new TestSocket(socket)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.on('open', resolve)
    socket.on('error', reject)
    socket.on('unexpected-response', async (_request, response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      reject(new Error(`${response.statusCode}: ${text}`))
    })
    await promise
    return opened
  }

  get bytes(): Buffer {
    this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? Buffer.alloc(0)
  }

  get text(): string {
    return this.bytes.toString('utf8')
  }

  send(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => this.#socket.send(data, (error) => (error ? reject(error) : resolve())))
  }

  /** Until what came has the text in it. */
  async shows(text: string | RegExp): Promise<void> {
    await waitFor(`${text} in ${JSON.stringify(this.text.slice(-500))}`, () =>
      typeof text === 'string' ? this.text.includes(text) : text.test(this.text),
    )
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Without a goodbye, as a client that crashed. */
  vanish(): void {
    this.#socket.terminate()
  }

  close(): void {
    this.#socket.close()
  }

  /** How the other side ended it. */
  async ended(): Promise<{ code: number; reason: string }> {
    if (this.#close === null) await once(this.#socket, 'close')
    if (this.#close === null) throw new Error('closed without a close')
    return this.#close
  }
}

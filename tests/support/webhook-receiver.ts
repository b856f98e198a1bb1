import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll } from 'vitest'

export interface Received {
  headers: IncomingHttpHeaders
  text: string
  body: { type: string; event_id?: number; sandbox_id?: string | null; data: Record<string, unknown> }
}

/** A receiver of webhooks, with what it was sent in order. */
export class WebhookReceiver {
  readonly #server: Server
  readonly #received: Received[] = []
  #wake = () => {}
  /** Default: 204. */
  answer: (response: ServerResponse, received: Received) => void = (response) => response.writeHead(204).end()
  port = 0

  constructor() {
    this.#server = createServer(async (request, response) => {
      let text = ''
      for await (const chunk of request.setEncoding('utf8')) text += chunk
      const received = { headers: request.headers, text, body: JSON.parse(text) }
      this.#received.push(received)
      this.answer(response, received)
      this.#wake()
    })
  }

  async listen(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    this.port = (this.#server.address() as AddressInfo).port
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`
  }

  /** The oldest one that was not asked for yet. */
  async next(): Promise<Received> {
    const limit = AbortSignal.timeout(20_000)
    for (;;) {
      const first = this.#received.shift()
      if (first) return first
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve
        limit.addEventListener('abort', () => reject(new Error('nothing was sent')), { once: true })
      })
    }
  }

  forget(): void {
    this.#received.length = 0
  }

  async take(count: number): Promise<Received[]> {
    const taken: Received[] = []
    while (taken.length < count) taken.push(await this.next())
    return taken
  }
}

/** One for the tests of the file it is called in. */
export function useReceiver(): WebhookReceiver {
  const receiver = new WebhookReceiver()
  beforeAll(() => receiver.listen())
  afterAll(() => receiver.close())
  return receiver
}

/** As the README has it for receivers. */
export function isSigned({ headers, text }: Received, secret: string): boolean {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const content = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`
  const signature = `v1,${createHmac('sha256', key).update(content).digest('base64')}`
  return String(headers['webhook-signature']).split(' ').includes(signature)
}

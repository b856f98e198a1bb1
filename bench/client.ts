import { once } from 'node:events'
import { Agent, type ClientRequest, request } from 'node:http'
import { WebSocket } from 'ws'

/** A small client that keeps connections, so that the rows measure the server and not the client. */
export class Client {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })
  readonly #port: number

  constructor(port: number) {
    this.#port = port
  }

  /** JSON both ways. */
  async call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await this.send(method, path, body === undefined ? undefined : Buffer.from(JSON.stringify(body)))
    return JSON.parse(answer.toString()) as Answer
  }

  /** Milliseconds from the writing of a line in the sandbox to its arrival here, in an answer that comes as it happens. */
  liveDelay(id: string): Promise<number> {
    const code = 'import time\nprint(time.time_ns(), flush=True)'
    const payload = Buffer.from(JSON.stringify({ code }))
    const headers = {
      'content-type': 'application/json',
      accept: 'application/x-ndjson',
      'content-length': payload.length,
    }
    return new Promise((resolve, reject) => {
      const path = `/sandboxes/${id}/code`
      const options = { host: '127.0.0.1', port: this.#port, method: 'POST', path, agent: this.#agent, headers }
      const call = request(options, (response) => {
        let text = ''
        let delayMs = Number.NaN
        response.on('data', (chunk: Buffer) => {
          const now = performance.timeOrigin + performance.now()
          text += chunk
          const written = /"type":"stdout","text":"(\d+)/.exec(text)?.[1]
          if (Number.isNaN(delayMs) && written !== undefined) delayMs = now - Number(written) / 1e6
        })
        response.on('error', reject)
        response.on('end', () => (Number.isNaN(delayMs) ? reject(new Error(text.slice(0, 300))) : resolve(delayMs)))
      })
      call.on('error', reject)
      call.end(payload)
    })
  }

  /** Body and answer as bytes, so that large ones cost the client nothing. Rejects for any status but 200, with the answer's text. */
  send(method: string, path: string, payload?: Buffer): Promise<Buffer> {
    const headers = payload ? { 'content-type': 'application/json', 'content-length': payload.length } : {}
    return new Promise((resolve, reject) => {
      const call = request(
        { host: '127.0.0.1', port: this.#port, method, path, agent: this.#agent, headers },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () => {
            const answer = Buffer.concat(chunks)
            if (response.statusCode === 200) resolve(answer)
            else reject(new Error(`${method} ${path}: ${response.statusCode} ${answer.subarray(0, 300).toString()}`))
          })
        },
      )
      call.on('error', reject)
      call.end(payload)
    })
  }

  /** Sends `part` so often as a body of raw bytes. */
  async upload(path: string, part: Buffer, times: number): Promise<void> {
    await this.#stream('PUT', path, { 'content-length': part.length * times }, async (call) => {
      for (let count = 0; count < times; count++) if (!call.write(part)) await once(call, 'drain')
    })
  }

  /** How many bytes the answer has; they are thrown away. */
  download(path: string, headers: Record<string, string> = {}): Promise<number> {
    return this.#stream('GET', path, headers)
  }

  #stream(
    method: string,
    path: string,
    headers: Record<string, string | number>,
    send?: (call: ClientRequest) => Promise<void>,
  ): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const options = { host: '127.0.0.1', port: this.#port, method, path, agent: this.#agent, headers }
    const call = request(options, (response) => {
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      response.on('error', reject)
      response.on('end', () =>
        response.statusCode === 200 ? resolve(bytes) : reject(new Error(`${method} ${path}: ${response.statusCode}`)),
      )
    })
    call.on('error', reject)
    if (send) send(call).then(() => call.end(), reject)
    else call.end()
    return promise
  }

  /** An open WebSocket of the API. */
  async socket(path: string): Promise<WebSocket> {
    const socket = new WebSocket(`ws://127.0.0.1:${this.#port}${path}`)
    await once(socket, 'open')
    return socket
  }

  /** An answer of one JSON object a line, as it comes; `close` leaves. */
  follow(path: string, onLine: (line: string) => void): Promise<{ close: () => void }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ close: () => void }>()
    const headers = { accept: 'application/x-ndjson' }
    const call = request({ host: '127.0.0.1', port: this.#port, path, headers }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk
        for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
          onLine(text.slice(0, end))
          text = text.slice(end + 1)
        }
      })
      response.on('error', () => {})
      resolve({ close: () => call.destroy() })
    })
    call.on('error', reject)
    call.end()
    return promise
  }

  async create(options: object = {}): Promise<string> {
    return (await this.call<{ sandbox_id: string }>('POST', '/sandboxes', options)).sandbox_id
  }

  /** Fails for code that fails. */
  async code(id: string, body: object): Promise<{ context_id: string }> {
    const answer = await this.call<{ context_id: string; error: unknown }>('POST', `/sandboxes/${id}/code`, body)
    if (answer.error !== null) throw new Error(JSON.stringify(answer.error))
    return answer
  }

  /** A Python context's id. */
  async context(id: string): Promise<string> {
    return (await this.call<{ context_id: string }>('POST', `/sandboxes/${id}/contexts`, {})).context_id
  }

  async command(id: string, command: string): Promise<{ exit_code: number; stdout: string }> {
    return this.call('POST', `/sandboxes/${id}/command`, { command })
  }

  async remove(id: string): Promise<void> {
    await this.call('DELETE', `/sandboxes/${id}`)
  }

  close(): void {
    this.#agent.destroy()
  }
}

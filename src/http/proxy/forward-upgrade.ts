/** Passes a WebSocket on to a server in a sandbox: after the handshake, bytes both ways. */
import { type IncomingMessage, request as sendRequest } from 'node:http'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { SandboxError } from '../../errors.ts'
import { takeConnection, type Upgrade } from '../upgrade.ts'
import { explain, type Forward } from './forward.ts'
import { requestHeaders, responseHeaders } from './headers.ts'

/** Between the request and the server's handshake. */
const HANDSHAKE_MS = 30_000

/** What the server in the sandbox does not grant is thrown, with the status that it gave in the sentence. */
export async function forwardUpgrade(
  request: FastifyRequest,
  reply: FastifyReply,
  upgrade: Upgrade,
  options: Forward,
): Promise<FastifyReply> {
  const { passage, signal } = options
  const { answer, stream, head } = await shakeHands(request, options)
  const client = takeConnection(reply, upgrade)
  client.write(
    handshake(answer, { ...responseHeaders(answer.headers, passage), connection: 'Upgrade', upgrade: 'websocket' }),
  )
  if (head.length > 0) client.write(head)
  if (upgrade.head.length > 0) stream.write(upgrade.head)
  // Either end ends both.
  await Promise.all([pipeline(client, stream, { signal }), pipeline(stream, client, { signal })]).catch(() => undefined)
  client.destroy()
  stream.destroy()
  return reply
}

function shakeHands(
  { raw }: FastifyRequest,
  { connect, passage, path, signal }: Forward,
): Promise<{ answer: IncomingMessage; stream: Duplex; head: Buffer }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    answer: IncomingMessage
    stream: Duplex
    head: Buffer
  }>()
  connect().then((tunnel) => {
    const upstream = sendRequest({
      createConnection: () => tunnel,
      method: raw.method,
      path,
      headers: { ...requestHeaders(raw, passage), connection: 'Upgrade', upgrade: 'websocket' },
      setHost: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(HANDSHAKE_MS)]),
    })
    upstream.on('close', () => reject(explain(new Error('closed without an answer'), passage.port, signal)))
    upstream.on('upgrade', (answer, stream, head) => resolve({ answer, stream, head }))
    upstream.on('response', (answer) => {
      tunnel.destroy()
      const refusal = `what listens on port ${passage.port} refused the WebSocket with status ${answer.statusCode}`
      reject(new SandboxError('PORT_BROKEN', refusal))
    })
    upstream.on('error', (error) => {
      tunnel.destroy()
      reject(explain(error, passage.port, signal))
    })
    upstream.end()
  }, reject)
  return promise
}

function handshake({ statusMessage }: IncomingMessage, headers: Record<string, unknown>): string {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => `${name}: ${String(one)}`),
  )
  return `HTTP/1.1 101 ${statusMessage || 'Switching Protocols'}\r\n${lines.join('\r\n')}\r\n\r\n`
}

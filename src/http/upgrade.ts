/**
 * Requests that ask for another protocol (RFC 9110, 7.8) go the way of all others: the same router, hooks and validation. A handler
 * that grants one takes the connection; what is refused is answered as any request, and the connection closed.
 */
import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { SandboxError } from '../errors.ts'

/** A connection whose client waits for the answer to its request, and what it sent after it. */
export interface Upgrade {
  socket: Duplex
  head: Buffer
}

const CLOSE_WITHIN_MS = 5000

const upgrades = new WeakMap<IncomingMessage, Upgrade>()

export function routeUpgrades(app: FastifyInstance): void {
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Node takes its own listener away with the connection; an error without one would end the server.
    socket.on('error', () => socket.destroy())
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0])
    response.once('finish', () => {
      // Some clients never close their side.
      const late = setTimeout(() => socket.destroy(), CLOSE_WITHIN_MS)
      socket.once('close', () => clearTimeout(late)).end()
    })
    upgrades.set(request, { socket, head })
    app.routing(request, response)
  })
}

/** The connection of a request that asks for a WebSocket; null for all others. */
export function upgradeOf({ raw }: FastifyRequest): Upgrade | null {
  return upgrades.get(raw) ?? null
}

/** UPGRADE_REQUIRED where it is an ordinary request. */
export function requireUpgrade(request: FastifyRequest, reply: FastifyReply): Upgrade {
  const upgrade = upgradeOf(request)
  if (upgrade) return upgrade
  reply.header('upgrade', 'websocket')
  throw new SandboxError('UPGRADE_REQUIRED', 'this is a WebSocket: connect with ws:// and a WebSocket client')
}

/** The connection is the handler's from now on: nothing is answered any more. The reply's `close` is the connection's. */
export function takeConnection(reply: FastifyReply, { socket }: Upgrade): Duplex {
  reply.hijack()
  return socket
}

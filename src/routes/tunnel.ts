import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { TunnelQuery } from '../../schemas/port.ts'
import type { CallOptions } from '../core/model.ts'
import type { PortAccess } from '../core/ports.ts'
import type { TypedApp } from '../http/app-type.ts'
import type { EndlessAnswers } from '../http/endless.ts'
import { operation } from '../http/operation.ts'
import { toError } from '../http/problem.ts'
import { requireUpgrade } from '../http/upgrade.ts'
import { acceptSocket, CLOSE, type Socket } from '../http/web-socket.ts'
import { INSIDE_ERRORS, SandboxParams } from './sandbox-id.ts'

export interface TunnelRoutesOptions {
  ports: { use(id: string, options: CallOptions): Promise<PortAccess> }
  endless: EndlessAnswers
  heartbeatMs: number
  stalledMs: number
}

export async function tunnelRoutes(
  app: TypedApp,
  { ports, endless, heartbeatMs, stalledMs }: TunnelRoutesOptions,
): Promise<void> {
  app.get('/sandboxes/:sandbox_id/tunnel', { schema: openTunnel, exposeHeadRoute: false }, async (request, reply) => {
    requireUpgrade(request, reply)
    const signal = endless.signal(reply)
    using access = await ports.use(request.params.sandbox_id, { signal })
    const options: CallOptions = { signal: AbortSignal.any([signal, access.gone]) }
    const connection = await access.connect(request.query.port, options)
    try {
      const socket = await acceptSocket(request, reply, { heartbeatMs, stalledMs })
      await join(socket, connection)
    } finally {
      connection.destroy()
    }
    return reply
  })
}

/** Both ways, until either side has ended. */
async function join(socket: Socket, connection: Duplex): Promise<void> {
  socket.onMessage(({ bytes }) => (connection.write(bytes) ? undefined : drained(connection)))
  void socket.closed.then(() => connection.end())
  try {
    for await (const chunk of connection) await socket.send(chunk as Buffer)
    await socket.close(CLOSE.normal, 'the port ended the connection')
  } catch (thrown) {
    const { code, message } = toError(thrown)
    await socket.close(code === 'SHUTTING_DOWN' ? CLOSE.goingAway : CLOSE.failed, message)
  }
}

/** Rejects when the connection fails instead. */
async function drained(connection: Duplex): Promise<void> {
  await once(connection, 'drain')
}

const openTunnel = operation({
  operationId: 'openTunnel',
  tag: 'ports',
  summary: 'Connect to a port (WebSocket)',
  description:
    'A TCP connection to what listens on the port inside the sandbox, for any protocol: the bytes of the messages, whatever their borders, are those of the connection. It works without a network of the sandbox, and reaches servers on its loopback. The end of either side closes the other. Counts as use of the sandbox while it is open.',
  params: SandboxParams,
  querystring: TunnelQuery,
  upgrade: 'The WebSocket',
  errors: [...INSIDE_ERRORS, 'PORT_NOT_OPEN', 'TUNNEL_LIMIT_REACHED', 'UPGRADE_REQUIRED'],
})

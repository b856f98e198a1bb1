import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createWebSocketStream, WebSocket } from 'ws'

/** A port of this machine that leads into a sandbox, as `websocat -b tcp-l:… ws://…` would make one. */
export async function serveTunnel(url: string): Promise<{ port: number } & AsyncDisposable> {
  const clients = new Set<Socket>()
  const server = createServer((client) => {
    clients.add(client)
    client.once('close', () => clients.delete(client))
    client.on('error', () => client.destroy())
    const stream = createWebSocketStream(new WebSocket(url.replace(/^http/, 'ws')))
    stream.on('error', () => client.destroy())
    client.pipe(stream).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

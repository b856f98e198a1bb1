import type { ServerResponse } from 'node:http'

/**
 * Cuts an answer of which the client takes nothing for so long, while there is something for it to take: an answer that is silent
 * because nothing happens is left alone.
 */
export function boundStall(response: ServerResponse, stalledMs: number): void {
  let seen = -1
  const timer = setInterval(() => {
    const { socket, writableLength } = response
    const taken = socket?.bytesWritten ?? 0
    const waiting = writableLength > 0 || (socket?.writableLength ?? 0) > 0
    if (waiting && taken === seen) response.destroy()
    seen = waiting ? taken : -1
  }, stalledMs / 2)
  response.once('close', () => clearInterval(timer))
}

import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

const CHECK_MS = 15_000
const MOST_CHECKS = 4

/**
 * Cuts a connection whose program takes nothing for a minute though something waits for it: what is not read stays in the agent,
 * and takes from what all calls of the sandbox share. Until either has closed.
 */
export function cutWhenStalled(stream: Duplex, socket: Socket): void {
  let last = -1
  let checks = 0
  const timer = setInterval(() => {
    const stands = stream.writableNeedDrain && socket.bytesRead === last
    last = socket.bytesRead
    checks = stands ? checks + 1 : 0
    if (checks === MOST_CHECKS) stream.destroy()
  }, CHECK_MS).unref()
  socket.once('close', () => clearInterval(timer))
}

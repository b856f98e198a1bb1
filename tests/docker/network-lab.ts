import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'

/** Addresses behind the host that answer `reached` on TCP port 8000, and on UDP port 53. In the ranges that sandboxes may not reach but for the first. */
export const TARGETS = {
  internet: '198.51.100.77',
  metadata: '169.254.169.254',
  private10: '10.213.77.2',
  private172: '172.30.213.2',
  private192: '192.168.213.2',
  carrier: '100.64.213.2',
  benchmark: '198.18.213.2',
  /** Looks public, and is a neighbour of the host's. */
  neighbour: '198.51.100.130',
} as const

/** Of the host on the way there. */
export const HOST_ADDRESSES = ['10.213.77.1', '198.51.100.129']

// A socket an address: an answer comes from the one that was asked.
const PROGRAM = `
import socket, threading
def names(address):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind((address, 53))
    while True:
        _, who = udp.recvfrom(512); udp.sendto(b'reached', who)
for address in '${Object.values(TARGETS).join(' ')}'.split():
    threading.Thread(target=names, args=(address,), daemon=True).start()
tcp = socket.create_server(('0.0.0.0', 8000), backlog=64)
print('ready', flush=True)
while True:
    one, _ = tcp.accept(); one.sendall(b'reached'); one.close()
`

export function canMakeNetworkLab(): boolean {
  if (process.getuid?.() !== 0) return false
  try {
    execFileSync('ip', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const ip = (...words: string[]): void => void execFileSync('ip', words, { stdio: 'pipe' })

/** A network namespace with the targets, joined to the host's. Disposing it leaves nothing. */
export async function makeNetworkLab(): Promise<AsyncDisposable> {
  const space = `k2lab${process.pid}`
  const [near, far] = [`k2la${process.pid}`.slice(0, 15), `k2lb${process.pid}`.slice(0, 15)]
  let server: ChildProcess | null = null
  const dispose = async (): Promise<void> => {
    if (server?.exitCode === null) {
      const closed = once(server, 'close')
      server.kill('SIGKILL')
      await closed
    }
    // The routes go with the interface, the interface with its peer.
    for (const words of [
      ['link', 'delete', near],
      ['netns', 'delete', space],
    ]) {
      try {
        ip(...words)
      } catch {
        // It was not made.
      }
    }
  }
  try {
    ip('netns', 'add', space)
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', space)
    ip('address', 'add', `${HOST_ADDRESSES[0]}/30`, 'dev', near)
    ip('address', 'add', `${HOST_ADDRESSES[1]}/30`, 'dev', near)
    ip('link', 'set', near, 'up')
    ip('-n', space, 'address', 'add', `${TARGETS.private10}/30`, 'dev', far)
    ip('-n', space, 'address', 'add', `${TARGETS.neighbour}/30`, 'dev', far)
    ip('-n', space, 'link', 'set', far, 'up')
    ip('-n', space, 'link', 'set', 'lo', 'up')
    ip('-n', space, 'route', 'add', 'default', 'via', HOST_ADDRESSES[0] ?? '')
    for (const address of Object.values(TARGETS)) {
      if (address === TARGETS.private10 || address === TARGETS.neighbour) continue
      ip('-n', space, 'address', 'add', `${address}/32`, 'dev', 'lo')
      ip('route', 'add', `${address}/32`, 'via', TARGETS.private10)
    }
    server = spawn('ip', ['netns', 'exec', space, 'python3', '-c', PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] })
    if (server.stdout) await once(server.stdout, 'data')
  } catch (error) {
    await dispose()
    throw error
  }
  return { [Symbol.asyncDispose]: dispose }
}

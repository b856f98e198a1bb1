import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test as base, expect } from 'vitest'
import { DialLink } from '../../../../src/engine/docker/link-dial.ts'

const TOKEN = 'ab'.repeat(32)
const HELLO = `K2AGENT/1 ${TOKEN}\n`

const test = base.extend<{ path: string; link: DialLink; dial: (hello?: string) => Promise<Socket> }>({
  // biome-ignore lint/correctness/noEmptyPattern: the form that vitest asks for
  path: async ({}, use) => {
    const dir = mkdtempSync(join(tmpdir(), 'k2-link-'))
    await use(join(dir, 'link.sock'))
    rmSync(dir, { recursive: true })
  },
  link: async ({ path }, use) => {
    const link = await DialLink.open(path, TOKEN)
    await use(link)
    link.close()
  },
  dial: async ({ path }, use) => {
    const sockets: Socket[] = []
    await use(async (hello = HELLO) => {
      const socket = connect(path)
      socket.on('error', () => undefined)
      sockets.push(socket)
      await once(socket, 'connect')
      socket.write(hello)
      return socket
    })
    for (const socket of sockets) socket.destroy()
  },
})

/** However it ends: a refused peer may see a reset. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve())))
}

function within(timeoutMs = 2000): AbortSignal {
  return AbortSignal.timeout(timeoutMs)
}

test('an agent that dialled before anybody asked is handed out, and gets its answer only then', async ({
  link,
  dial,
}) => {
  const agent = await dial()
  await link.ready(within())
  expect(agent.bytesRead).toBe(0)
  const stream = await link.next(within())
  expect(String((await once(agent, 'data'))[0])).toBe('OK\n')
  agent.write('from the agent')
  expect(String((await once(stream, 'data'))[0])).toBe('from the agent')
  stream.write('from the server')
  expect(String((await once(agent, 'data'))[0])).toBe('from the server')
})

test.for([
  ['a wrong token', `K2AGENT/1 ${'cd'.repeat(32)}\n`],
  ['another protocol', `GET / HTTP/1.1\r\nhost: ${'x'.repeat(80)}`],
  ['bytes behind the hello', `${HELLO}PRI * HTTP/2.0`],
  ['megabytes', 'x'.repeat(1_000_000)],
] as const)('a peer with %s is cut off, and the agent gets through after it', async ([, hello], { link, dial }) => {
  const stranger = await dial(hello)
  stranger.resume()
  await closed(stranger)
  expect(link.connected).toBe(false)
  await dial()
  await link.next(within())
})

test('a hello that comes byte by byte is a hello', async ({ link, dial }) => {
  const agent = await dial('')
  agent.setNoDelay()
  for (const byte of HELLO) {
    agent.write(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await link.ready(within())
})

test('strangers that say nothing do not keep the agent out once they leave, and are bounded in number', async ({
  link,
  dial,
}) => {
  const strangers = await Promise.all(Array.from({ length: 8 }, () => dial('')))
  const ninth = await dial('')
  ninth.resume()
  await closed(ninth)
  const first = strangers[0]!
  first.destroy()
  await expect
    .poll(async () =>
      dial()
        .then(() => link.ready(within(100)))
        .then(
          () => true,
          () => false,
        ),
    )
    .toBe(true)
})

test('while one connection lives others are refused, with the right token, too', async ({ link, dial }) => {
  await dial()
  await link.next(within())
  const second = await dial()
  second.resume()
  await closed(second)
})

test('asking again gives up the connection before and waits for the next', async ({ link, dial }) => {
  const lost = await dial()
  await link.next(within())
  const next = link.next(within())
  lost.resume()
  await closed(lost)
  const agent = await dial()
  await next
  expect(String((await once(agent, 'data'))[0])).toBe('OK\n')
})

test('an agent that gave up before it was taken is not handed out', async ({ link, dial }) => {
  const early = await dial()
  await link.ready(within())
  early.destroy()
  await expect.poll(() => link.connected).toBe(false)
  const next = link.next(within())
  const agent = await dial()
  await next
  expect(String((await once(agent, 'data'))[0])).toBe('OK\n')
})

test('a new run of the sandbox is not kept out by a connection of the run before', async ({ link, dial }) => {
  await dial()
  await link.next(within())
  link.markRun()()
  await dial()
  await link.next(within())
})

test("waiting ends with the signal's reason, and the one who waits next is served", async ({ link, dial }) => {
  const reason = new Error('left')
  const controller = new AbortController()
  const left = link.next(controller.signal)
  const readyLeft = link.ready(controller.signal)
  controller.abort(reason)
  await expect(left).rejects.toBe(reason)
  await expect(readyLeft).rejects.toBe(reason)
  await dial()
  await link.next(within())
})

test('the socket is for its owner only, replaces what an earlier server left, and goes with the link', async ({
  path,
}) => {
  writeFileSync(path, 'stale')
  const link = await DialLink.open(path, TOKEN)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  link.close()
  link.close()
  await expect.poll(() => existsSync(path)).toBe(false)
})

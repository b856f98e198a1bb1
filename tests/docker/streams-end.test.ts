/** Whatever is open when a sandbox or the server goes is told why, and leaves nothing behind. */
import { readdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { PortStatus } from '../../schemas/port.ts'
import type { WatchEvent } from '../../schemas/watch.ts'
import { type Live, useServer } from '../support/live.ts'
import { readEvents } from '../support/read-events.ts'
import { TestSocket } from '../support/socket.ts'
import { waitFor } from '../support/wait-for.ts'

const live = useServer()

const SERVER = `
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'begun'); self.wfile.flush(); time.sleep(600)
http.server.ThreadingHTTPServer(('127.0.0.1', 3000), Handler).serve_forever()
`

/** One of each: a terminal, a tunnel, a watch, a followed output, an answer of a server inside, an upload. */
async function openAll({ api }: Pick<Live, 'api'>, id: string) {
  const base = `${api.url}/sandboxes/${id}`
  await api.write(id, 'server.py', SERVER)
  await api.startProcess(id, { argv: ['python3', 'server.py'] })
  await api.json<PortStatus>('GET', `/sandboxes/${id}/ports/3000?wait=20`)
  const terminal = await TestSocket.open(`${base}/pty?command=cat`)
  const tunnel = await TestSocket.open(`${base}/tunnel?port=3000`)
  const watch = await fetch(`${base}/watch?path=.`)
  const watched: WatchEvent[] = []
  const watching = (async () => {
    for await (const event of readEvents<WatchEvent>(watch, 'application/x-ndjson')) watched.push(event)
  })()
  // Whoever wants to know how it ended awaits it; a server that goes cuts it.
  watching.catch(() => {})
  await waitFor('the watch', () => watched.length > 0)
  const { process_id } = await api.startProcess(id, { argv: ['cat'], stdin: true })
  const output = api.followProcess(id, process_id)
  await output.next()
  const page = await fetch(`${base}/ports/3000/`)
  const reader = page.body?.getReader()
  await reader?.read()
  return { terminal, tunnel, watched, watching, output, reader }
}

test('a sandbox that is deleted ends all that is open on it, with the reason', async () => {
  const { sandbox_id: id } = await live.api.create()
  const open = await openAll(live, id)
  await live.api.delete(id)
  expect(await open.terminal.ended()).toMatchObject({ code: 1011, reason: expect.stringContaining('deleted') })
  expect(await open.tunnel.ended()).toMatchObject({ code: 1011, reason: expect.stringContaining('deleted') })
  await open.watching
  expect(open.watched.at(-1)).toMatchObject({ type: 'problem', problem: { code: 'SANDBOX_NOT_FOUND' } })
  const rest = await Array.fromAsync(open.output)
  expect(rest.at(-1)).toMatchObject({ type: 'problem', problem: { code: 'SANDBOX_NOT_FOUND' } })
  await expect(open.reader?.read()).rejects.toThrow()
})

test('a server that is asked to stop ends them too, at once; the processes run on', async () => {
  const { sandbox_id: id } = await live.api.create()
  const open = await openAll(live, id)
  const page = open.reader?.read().then(
    () => 'more',
    () => 'cut',
  )
  const stopping = live.server.terminate()
  expect(await open.terminal.ended()).toMatchObject({ code: 1001, reason: expect.stringContaining('stopping') })
  expect(await open.tunnel.ended()).toMatchObject({ code: 1001 })
  await open.watching
  expect(open.watched.at(-1)).toMatchObject({ type: 'problem', problem: { code: 'SHUTTING_DOWN' } })
  const rest = await Array.fromAsync(open.output)
  expect(rest.at(-1)).toMatchObject({ type: 'problem', problem: { code: 'SHUTTING_DOWN' } })
  // A request has the grace, and is cut then.
  expect(await page).toBe('cut')
  expect(await stopping).toBe(0)
  await live.server.startAgain()
  const { processes } = await live.api.processes(id)
  expect(processes.filter(({ state }) => state === 'running').map(({ command }) => command)).toEqual([
    'python3 server.py',
    'cat',
    'cat',
  ])
  await live.api.delete(id)
})

test('clients that vanish leave no descriptor in the server and no connection in the sandbox', async () => {
  const { sandbox_id: id } = await live.api.create()
  const descriptors = async () => (await readdir(`/proc/${live.server.pid}/fd`)).length
  const inside = () => live.api.output(id, "grep -c ':0BB8 .* 01 ' /proc/net/tcp || :")
  const warm = await openAll(live, id)
  warm.terminal.vanish()
  warm.tunnel.vanish()
  const before = await descriptors()
  for (let count = 0; count < 10; count++) {
    const terminal = await TestSocket.open(`${live.api.url}/sandboxes/${id}/pty?command=cat`)
    const tunnel = await TestSocket.open(`${live.api.url}/sandboxes/${id}/tunnel?port=3000`)
    terminal.vanish()
    tunnel.vanish()
  }
  await waitFor('the descriptors to be closed', async () => (await descriptors()) <= before + 2)
  await warm.output.return()
  // The answer that is still open, both of its ends.
  await waitFor('the connections to be closed', async () => Number(await inside()) <= 2)
  await warm.reader?.cancel()
  await waitFor('that one as well', async () => Number(await inside()) === 0)
  await live.api.delete(id)
})

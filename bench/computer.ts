import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { pack } from 'tar-stream'
import { measure, measureWithin } from './measure.ts'
import type { Add, Bench, Extent } from './suite.ts'

const MIB = 1024 * 1024
const EIGHT = { kind: 'atOnce', width: 8 } as const
const SMALL_FILES = 10_000
const PORT = 3000
const SERVER = `require('http').createServer((request, response) => { response.setHeader('content-length', 3); response.end('ok\\n') }).listen(${PORT})`
/** Makes a file whose name is the time, for each line that it reads. */
const TOUCHER = 'import sys, time\nfor line in sys.stdin: open("/home/user/watched/%d" % time.time_ns(), "w").close()'

/** Processes, terminals, large files, trees and ports. */
export async function computer(bench: Bench, extent: Extent, add: Add): Promise<void> {
  await processes(bench, extent, add)
  await terminals(bench, extent, add)
  await rawFiles(bench, extent, add)
  await trees(bench, extent, add)
  await watches(bench, extent, add)
  await ports(bench, extent, add)
}

async function processes({ client, docker }: Bench, { calls, creates, files }: Extent, add: Add): Promise<void> {
  const id = await client.create()
  const container = await docker.createAndStart()
  const path = `/sandboxes/${id}/processes`
  const start = () => client.call('POST', path, { argv: ['true'] })
  add(
    await measure('start a process', { count: calls, warmUp: 20 }, start),
    await measure('docker exec -d', { count: creates }, () => docker.execDetached(container, ['true'])),
  )
  const bytes = 256 * MIB
  const argv = ['head', '-c', String(bytes), '/dev/zero']
  const headers = { accept: 'application/octet-stream' }
  const follow = async () => {
    const { process_id } = await client.call<{ process_id: string }>('POST', path, {
      argv: ['sh', '-c', `read x; ${argv.join(' ')}`],
      stdin: true,
    })
    const read = client.download(`${path}/${process_id}/output`, headers)
    await client.call('POST', `${path}/${process_id}/stdin`, { data: '\n' })
    if ((await read) !== bytes) throw new Error('output is missing')
  }
  const few = Math.max(2, Math.ceil(files / 4))
  add(
    await measure('output, 256 MiB followed', { count: few, bytes, warmUp: 1 }, follow),
    await measure('docker exec head', { count: few, bytes }, () => docker.exec(container, argv)),
  )
  await client.remove(id)
  await docker.removeAll()
}

async function terminals({ client, docker }: Bench, { calls }: Extent, add: Add): Promise<void> {
  const id = await client.create()
  const container = await docker.createAndStart()
  const socket = await client.socket(`/sandboxes/${id}/pty?command=cat`)
  const raw = await docker.terminal(container, ['cat'])
  let echoed = () => {}
  socket.on('message', () => echoed())
  raw.on('data', () => echoed())
  const key = (send: (byte: string) => void) => () =>
    new Promise<void>((resolve) => {
      echoed = resolve
      send('x')
    })
  // A line may have 4,096 characters.
  const count = Math.min(calls, 1000)
  add(
    await measure(
      'a key, typed to echoed',
      { count, warmUp: 20 },
      key((byte) => socket.send(byte)),
    ),
    await measure(
      'docker exec -it',
      { count, warmUp: 20 },
      key((byte) => raw.write(byte)),
    ),
  )
  socket.close()
  raw.destroy()
  await client.remove(id)
  await docker.removeAll()
}

async function rawFiles({ client, docker }: Bench, { files, calls, creates }: Extent, add: Add): Promise<void> {
  const id = await client.create()
  const container = await docker.createAndStart()
  const path = `/sandboxes/${id}/files?path=/home/user/raw`
  const part = Buffer.alloc(MIB, 'x')
  const small = part.subarray(0, 1024)
  add(
    await measure('write 1 KiB, raw', { count: calls, warmUp: 20 }, () => client.upload(path, small, 1)),
    await measure('docker put archive', { count: creates }, () => docker.write(container, '/home/user/raw', small)),
  )
  add(
    await measure('read 1 KiB, raw', { count: calls, warmUp: 20 }, () => client.download(path)),
    await measure('docker get archive', { count: creates }, () => docker.read(container, '/home/user/raw')),
  )
  const few = Math.max(2, Math.ceil(files / 4))
  for (const [name, mebibytes, count] of [
    ['64 MiB', 64, few * 2],
    ['1 GiB', 1024, 2],
  ] as const) {
    const bytes = mebibytes * MIB
    // Docker's client has no stream of unknown source here: its baseline is the same bytes from memory.
    const whole = Buffer.alloc(bytes, 'x')
    add(
      await measure(`write ${name}, raw`, { count, bytes }, () => client.upload(path, part, mebibytes)),
      await measure('docker put archive', { count, bytes }, () => docker.write(container, '/home/user/raw', whole)),
    )
    add(
      await measure(`read ${name}, raw`, { count, bytes }, () => client.download(path)),
      await measure('docker get archive', { count, bytes }, () => docker.read(container, '/home/user/raw')),
    )
  }
  await client.remove(id)
  await docker.removeAll()
}

async function trees({ client, docker }: Bench, { files }: Extent, add: Add): Promise<void> {
  const id = await client.create()
  const container = await docker.createAndStart()
  const tar = await smallFiles()
  const path = `/sandboxes/${id}/archive?path=/home/user/tree`
  const count = Math.max(2, Math.ceil(files / 5))
  const { length: bytes } = tar
  await docker.exec(container, ['mkdir', '-p', '/home/user/tree'])
  add(
    await measure('unpack 10,000 small files', { count, bytes }, () => client.upload(path, tar, 1)),
    await measure('docker put archive', { count, bytes }, () => docker.writeTree(container, '/home/user/tree', tar)),
  )
  add(
    await measure('pack 10,000 small files', { count, bytes }, () => client.download(path)),
    await measure('docker get archive', { count, bytes }, () => docker.readTree(container, '/home/user/tree')),
  )
  await client.remove(id)
  await docker.removeAll()
}

/** 100 folders of 100 files of a few hundred bytes. */
async function smallFiles(): Promise<Buffer> {
  const archive = pack()
  for (let index = 0; index < SMALL_FILES; index++)
    archive.entry({ name: `${Math.floor(index / 100)}/${index}.txt` }, 'x'.repeat(100 + (index % 400)))
  archive.finalize()
  return Buffer.concat(await Array.fromAsync(archive as AsyncIterable<Buffer>))
}

async function watches({ client }: Bench, { calls }: Extent, add: Add): Promise<void> {
  const id = await client.create()
  await client.command(id, 'mkdir watched')
  const path = `/sandboxes/${id}/processes`
  const argv = ['python3', '-u', '-c', TOUCHER]
  const { process_id } = await client.call<{ process_id: string }>('POST', path, { argv, stdin: true })
  let take = (_delayMs: number) => {}
  const watch = await client.follow(`/sandboxes/${id}/watch?path=watched`, (line) => {
    const now = performance.timeOrigin + performance.now()
    const made = /"create".*\/watched\/(\d+)"/.exec(line)?.[1]
    if (made !== undefined) take(now - Number(made) / 1e6)
  })
  const once = () =>
    new Promise<number>((resolve, reject) => {
      take = resolve
      client.call('POST', `${path}/${process_id}/stdin`, { data: '\n' }).catch(reject)
    })
  add(await measureWithin('watch, made to told', Math.min(calls, 200), once))
  watch.close()
  await client.remove(id)
}

async function ports({ client, docker }: Bench, { calls, creates }: Extent, add: Add): Promise<void> {
  const id = await client.create()
  const container = await docker.createAndStart()
  const argv = ['node', '-e', SERVER]
  await client.call('POST', `/sandboxes/${id}/processes`, { argv })
  await client.call('GET', `/sandboxes/${id}/ports/${PORT}?wait=30`)
  await docker.execDetached(container, argv)
  const host = await docker.addressOf(container)
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const direct = () => get(host, agent)
  for (
    let tries = 0;
    tries < 100 &&
    !(await direct().then(
      () => true,
      () => false,
    ));
    tries++
  )
    await new Promise((resolve) => setTimeout(resolve, 50))
  const proxied = () => client.download(`/sandboxes/${id}/ports/${PORT}/`)
  add(
    await measure('request through the proxy', { count: calls, warmUp: 20 }, proxied),
    await measure('straight at the container', { count: calls, warmUp: creates }, direct),
  )
  add(
    await measure('… 8 at once', { count: calls * 4, load: EIGHT, warmUp: 20 }, proxied),
    await measure('straight at the container', { count: calls * 4, load: EIGHT }, direct),
  )
  agent.destroy()
  await client.remove(id)
  await docker.removeAll()
}

async function get(host: string, agent: Agent): Promise<void> {
  const call = request({ host, port: PORT, agent })
  call.end()
  const [response] = await once(call, 'response')
  response.resume()
  await once(response, 'end')
}

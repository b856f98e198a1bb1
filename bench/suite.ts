import type { Client } from './client.ts'
import { computer } from './computer.ts'
import { contexts } from './contexts.ts'
import { life } from './life.ts'
import { type Measured, measure, measureWithin, percentile } from './measure.ts'
import type { RawDocker } from './raw-docker.ts'
import { type BenchServer, residentBytes } from './server.ts'
import { snapshots } from './snapshots.ts'

/** How much of everything: `quick` is for a look, `full` for figures that are quoted. */
export interface Extent {
  creates: number
  atOnce: number
  calls: number
  files: number
  listed: number
}

export const FULL: Extent = { creates: 30, atOnce: 50, calls: 400, files: 20, listed: 100 }
export const QUICK: Extent = { creates: 8, atOnce: 10, calls: 100, files: 5, listed: 10 }

/** A measured row beside its baseline. */
export interface Row {
  measured: Measured
  raw: Measured | null
}

const MIB = 1024 * 1024
const EIGHT = { kind: 'atOnce', width: 8 } as const

/** Every row of the bench, on one link. Prints each as it is done through `show`. Leaves nothing behind when it succeeds. */
export async function runSuite(bench: Bench, extent: Extent, show: (row: Row) => void): Promise<Row[]> {
  const rows: Row[] = []
  const add = (measured: Measured, raw: Measured | null = null) => {
    const row = { measured, raw }
    rows.push(row)
    show(row)
  }
  const startBytes = await residentBytes(bench.server.pid)
  await creates(bench, extent, add)
  await firstAnswers(bench, extent, add)
  await life(bench, extent, () => settled(bench), add)
  await snapshots(bench, extent, add)
  await settled(bench)
  // Before the large files, which leave the server with memory it does not need.
  await lists(bench, extent, startBytes, add)
  await calls(bench, extent, add)
  await cells(bench, extent, add)
  await contexts(bench, extent, add)
  await files(bench, extent, add)
  await computer(bench, extent, add)
  return rows
}

export interface Bench {
  client: Client
  docker: RawDocker
  server: BenchServer
}

export type Add = (measured: Measured, raw?: Measured | null) => void

async function creates(bench: Bench, { creates: count }: Extent, add: Add): Promise<void> {
  const { client, docker, server } = bench
  const containers: Awaited<ReturnType<RawDocker['createAndStart']>>[] = []
  await client.remove(await client.create())
  for (const { suffix, load } of [
    { suffix: '', load: { kind: 'sequential' } },
    { suffix: ', 8 at once', load: EIGHT },
  ] as const) {
    const made: string[] = []
    containers.length = 0
    add(
      await measure(`create, cold${suffix}`, { count, load }, async () => made.push(await client.create())),
      await measure(`docker create+start${suffix}`, { count, load }, async () =>
        containers.push(await docker.createAndStart()),
      ),
    )
    add(
      await measure(`delete (answer)${suffix}`, { count: made.length, load }, async (index) =>
        client.remove(made[index] ?? ''),
      ),
      await measure(`docker rm -f${suffix}`, { count: containers.length, load }, async (index) =>
        containers[index]?.remove({ force: true }),
      ),
    )
    await settled(bench)
  }
  // What the bridge of our own costs the engine: a name server in each container, which its default bridge has not.
  const onBridge = (network?: string) => async () => containers.push(await docker.createAndStart(network))
  add(
    await measure('docker create+start, our bridge', { count }, onBridge(`k2-${server.instance}`)),
    await measure('docker create+start, its bridge', { count }, onBridge()),
  )
  await docker.removeAll()
  const withoutNetwork: string[] = []
  add(
    await measure('create, cold, network none', { count }, async () =>
      withoutNetwork.push(await client.create({ network: 'none' })),
    ),
    await measure('docker create+start, none', { count }, async () =>
      containers.push(await docker.createAndStart('none')),
    ),
  )
  for (const id of withoutNetwork) await client.remove(id)
  await docker.removeAll()
  await settled(bench)
}

async function firstAnswers(bench: Bench, { creates: count, atOnce }: Extent, add: Add): Promise<void> {
  const { client, docker } = bench
  const toFirstCommand = async () => {
    const id = await client.create()
    await client.command(id, 'true')
    interactive.push(id)
  }
  const interactive: string[] = []
  const rawToFirstCommand = async () => {
    const container = await docker.createAndStart()
    await docker.exec(container, ['true'])
  }
  const loads = [
    ['create to first answer', { count }],
    ['… one every 200 ms', { count, load: { kind: 'every', ms: 200 } }],
    [`… ${atOnce} at once`, { count: atOnce, load: { kind: 'atOnce', width: atOnce } }],
  ] as const
  for (const [name, options] of loads) {
    const measured = await measure(name, options, toFirstCommand)
    for (const id of interactive.splice(0)) await client.remove(id)
    await settled(bench)
    const raw = await measure('docker create+start+exec', options, rawToFirstCommand)
    await docker.removeAll()
    add(measured, raw)
  }
}

async function calls({ client, docker }: Bench, { calls: count, creates }: Extent, add: Add): Promise<void> {
  const id = await client.create()
  const container = await docker.createAndStart()
  const command = () => client.command(id, 'true')
  const execTrue = () => docker.exec(container, ['true'])
  add(
    await measure('command true', { count, warmUp: 20 }, command),
    await measure('docker exec true', { count: creates }, execTrue),
  )
  add(
    await measure('command true, 8 at once', { count: count * 4, load: EIGHT, warmUp: 20 }, command),
    await measure('docker exec true, 8 at once', { count: creates * 2, load: EIGHT }, execTrue),
  )
  await client.remove(id)
  await docker.removeAll()
}

/** What each language costs in a context that is warm, and to begin with, beside an interpreter that docker exec starts. */
const CELLS = [
  ['python', 'print(1)', ['python3', '-c', 'print(1)']],
  ['javascript', 'console.log(1)', ['node', '-e', 'console.log(1)']],
  ['typescript', 'console.log(1 as number)', null],
  ['bash', 'echo 1', ['bash', '-c', 'echo 1']],
] as const
const MEBIBYTE_CELL = 'for _ in range(1024): print("x" * 1023)'

async function cells({ client, docker }: Bench, { calls: count, creates }: Extent, add: Add): Promise<void> {
  const id = await client.create()
  const container = await docker.createAndStart()
  const run = (code: string, more: object = {}) => client.code(id, { code, ...more })
  for (const [language, code, argv] of CELLS) {
    const exec = argv && (() => docker.exec(container, [...argv]))
    const first = async () => {
      const { context_id } = await run(code, { language })
      await client.call('DELETE', `/sandboxes/${id}/contexts/${context_id}`)
    }
    const name = `docker exec ${argv?.[0]}`
    add(
      await measure(`first ${language} cell`, { count: creates }, first),
      exec && (await measure(name, { count: creates }, exec)),
    )
    add(
      await measure(`${language} cell, warm`, { count, warmUp: 20 }, () => run(code, { language })),
      exec && (await measure(name, { count: creates }, exec)),
    )
  }
  add(await measure('python x = 1, warm', { count, warmUp: 20 }, () => run('x = 1')))
  const contexts = await Promise.all(Array.from({ length: 8 }, () => client.context(id)))
  add(
    await measure('python cell, 8 contexts at once', { count: count * 2, load: EIGHT, warmUp: 8 }, (index) =>
      run('print(1)', { context_id: contexts[Math.abs(index) % 8] }),
    ),
    await measure('docker exec python3, 8 at once', { count: creates * 2, load: EIGHT }, () =>
      docker.exec(container, ['python3', '-c', 'print(1)']),
    ),
  )
  add(await measure('python cell, 1 MiB printed', { count: creates, bytes: MIB, warmUp: 2 }, () => run(MEBIBYTE_CELL)))
  add(await measureWithin('live output, written to read', count, () => client.liveDelay(id)))
  await client.remove(id)
  await docker.removeAll()
}

async function files({ client, docker }: Bench, { calls, files: count, creates }: Extent, add: Add): Promise<void> {
  const id = await client.create({ resources: { memory_mb: 1024 } })
  const container = await docker.createAndStart()
  const filesystem = (payload: Buffer) => client.send('POST', `/sandboxes/${id}/filesystem`, payload)
  const json = (body: object) => Buffer.from(JSON.stringify(body))
  const sizes = [
    { name: '1 KiB', bytes: 1024, many: calls, few: creates },
    { name: '10 MiB', bytes: 10 * MIB, many: count, few: count },
    { name: '64 MiB', bytes: 64 * MIB, many: Math.ceil(count / 4), few: Math.ceil(count / 4) },
  ]
  for (const { name, bytes, many, few } of sizes) {
    const path = `/home/user/bench-${bytes}`
    const content = 'x'.repeat(bytes)
    const buffer = Buffer.from(content)
    const writing = json({ action: 'write', path, content })
    const reading = json({ action: 'read', path })
    const write = () => filesystem(writing)
    const read = () => filesystem(reading)
    add(
      await measure(`write ${name}`, { count: many, bytes, warmUp: 2 }, write),
      await measure('docker put archive', { count: few, bytes }, () => docker.write(container, path, buffer)),
    )
    add(
      await measure(`read ${name}`, { count: many, bytes, warmUp: 2 }, read),
      await measure('docker get archive', { count: few, bytes }, () => docker.read(container, path)),
    )
    const more = Math.max(8, bytes > 1024 ? many * 2 : many * 4)
    add(await measure(`write ${name}, 8 at once`, { count: more, bytes, load: EIGHT }, write))
    add(await measure(`read ${name}, 8 at once`, { count: more, bytes, load: EIGHT }, read))
  }
  await client.remove(id)
  await docker.removeAll()
}

async function lists(bench: Bench, extent: Extent, startBytes: number, add: Add): Promise<void> {
  const { calls: count, listed, creates } = extent
  const { client, docker } = bench
  const made: string[] = []
  await measure('fill', { count: listed, load: { kind: 'atOnce', width: 4 } }, async () =>
    made.push(await client.create({ network: 'none' })),
  )
  const list = () => client.call('GET', '/sandboxes')
  add(
    await measure(`list ${made.length} live`, { count, warmUp: 20 }, list),
    await measure('docker ps', { count: creates }, () => docker.list()),
  )
  add(await measure(`list ${made.length} live, 8 at once`, { count: count * 4, load: EIGHT }, list))
  await showMemory(bench, made.length, startBytes)
  for (const id of made) await client.remove(id)
  await settled(bench)
}

/** Resident memory of the server, and of the agents of sandboxes that have done nothing. */
async function showMemory({ docker, server }: Bench, live: number, startBytes: number): Promise<void> {
  const agents: number[] = []
  for (const { Id } of await docker.ofInstance(server.instance))
    agents.push(await residentBytes(await docker.pidOf(Id)))
  agents.sort((a, b) => a - b)
  const mib = (bytes: number) => (bytes / MIB).toFixed(1)
  console.log(
    `  memory: server ${mib(startBytes)} MiB at start, ${mib(await residentBytes(server.pid))} MiB with ${live} live; ` +
      `agent, idle ${mib(percentile(agents, 0.5))} MiB (p50), ${mib(agents.at(-1) ?? Number.NaN)} MiB (max)`,
  )
}

const SETTLE_LIMIT_MS = 120_000

/** Deletes are answered before the engine has done them: wait, so that they don't slow the next row. */
async function settled({ client, docker, server }: Bench): Promise<void> {
  const { sandboxes } = await client.call<{ sandboxes: unknown[] }>('GET', '/sandboxes')
  const limit = performance.now() + SETTLE_LIMIT_MS
  while ((await docker.ofInstance(server.instance)).length > sandboxes.length) {
    if (performance.now() > limit) throw new Error('deleted sandboxes were not removed from the engine in time')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

import { measure } from './measure.ts'
import type { Add, Bench, Extent } from './suite.ts'

const FILL_LIMIT_MS = 180_000
const POOL = '/pools/bench'
const BURST = 50
const EIGHT = { kind: 'atOnce', width: 8 } as const
const FOUR = { kind: 'atOnce', width: 4 } as const

/** Pause, resume, one-call runs, and what a pool makes of creates: the server has none of its own. */
export async function life(bench: Bench, extent: Extent, settled: () => Promise<void>, add: Add): Promise<void> {
  await sleeping(bench, extent, add)
  await settled()
  await runs(bench, extent, add)
  await settled()
  await pooled(bench, extent, settled, add)
}

async function sleeping({ client, docker }: Bench, { creates: count }: Extent, add: Add): Promise<void> {
  const id = await client.create()
  const container = await docker.createAndStart()
  const pause = () => client.call('POST', `/sandboxes/${id}/actions`, { action: 'pause' })
  const resume = () => client.call('POST', `/sandboxes/${id}/actions`, { action: 'resume' })
  const rawPause = () => container.pause()
  const rawResume = () => container.unpause()
  add(
    await measure('pause', { count, between: resume }, pause),
    await measure('docker pause', { count, between: rawResume }, rawPause),
  )
  add(
    await measure('resume', { count, between: pause }, resume),
    await measure('docker unpause', { count, between: rawPause }, rawResume),
  )
  const change = (memory: number) => client.call('PATCH', `/sandboxes/${id}`, { resources: { memory_mb: memory } })
  add(
    await measure('other limits', { count }, (index) => change(512 + (index % 2))),
    await measure('docker update', { count }, (index) => {
      const bytes = (512 + (index % 2)) * 1024 * 1024
      return container.update({ Memory: bytes, MemorySwap: bytes })
    }),
  )
  await client.remove(id)
  await docker.removeAll()
}

async function runs({ client, docker }: Bench, { creates, calls: count }: Extent, add: Add): Promise<void> {
  add(
    await measure('run, cold', { count: creates }, () => client.call('POST', '/run', { command: 'true' })),
    await measure('docker create+start+exec+rm', { count: creates }, async () => {
      const container = await docker.createAndStart()
      await docker.exec(container, ['true'])
      await container.remove({ force: true })
    }),
  )
  const id = await client.create()
  const command = { command: { command: 'true' } }
  const write = { write: { path: 'a', content: 'x' } }
  const steps = [write, command, { read: { path: 'a' } }, command, { delete: { path: 'a' } }]
  const batch = () => client.call('POST', `/sandboxes/${id}/batch`, { steps })
  add(await measure('batch of 5 steps', { count, warmUp: 5 }, batch))
  await client.remove(id)
}

async function pooled(bench: Bench, extent: Extent, settled: () => Promise<void>, add: Add): Promise<void> {
  const { client, docker } = bench
  const { creates: count } = extent
  const made: string[] = []
  const fill = async (size: number, prestart: string[] = []) => {
    await client.call('PUT', POOL, { size, prestart })
    const limit = performance.now() + FILL_LIMIT_MS
    while ((await client.call<{ ready: number }>('GET', POOL)).ready < size) {
      if (performance.now() > limit) throw new Error('the pool was not filled in time')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  const empty = async () => {
    await client.call('PUT', POOL, { size: 0 })
    for (const id of made.splice(0)) await client.remove(id)
    await docker.removeAll()
    await settled()
  }
  const create = async () => made.push(await client.create())
  const raw = () => docker.createAndStart()

  for (const [name, load] of [
    ['create, warm', { kind: 'sequential' }],
    ['create, warm, 8 at once', EIGHT],
  ] as const) {
    await fill(count)
    const measured = await measure(name, { count, load }, create)
    await empty()
    add(measured, await measure('docker create+start', { count, load }, raw))
    await empty()
  }

  await fill(count)
  const first = await measure('create to first answer, warm', { count }, async () => {
    const id = await client.create()
    made.push(id)
    await client.command(id, 'true')
  })
  await empty()
  add(first, await measure('docker create+start+exec', { count }, async () => docker.exec(await raw(), ['true'])))
  await empty()

  await fill(count)
  const run = await measure('run, warm', { count }, () => client.call('POST', '/run', { command: 'true' }))
  add(run)
  await empty()

  for (const size of [0, 10]) {
    await fill(size)
    const load = { kind: 'atOnce', width: BURST } as const
    const burst = await measure(`burst of ${BURST}, pool of ${size}`, { count: BURST, load }, create)
    await empty()
    add(burst, await measure('docker create+start', { count: BURST, load }, raw))
    await empty()
  }

  for (const size of [0, 10]) {
    await fill(size)
    const name = `create and delete, pool of ${size}`
    const sustained = await measure(name, { count: count * 2, load: FOUR }, async () =>
      client.remove(await client.create()),
    )
    await empty()
    add(
      sustained,
      await measure('docker create+start+rm', { count: count * 2, load: FOUR }, async () =>
        (await raw()).remove({ force: true }),
      ),
    )
  }
  await client.call('DELETE', POOL)
  await settled()
}

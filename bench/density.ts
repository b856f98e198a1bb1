import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from './client.ts'
import { measure, percentile } from './measure.ts'
import { availableBytes, figuresOf, medianResident, pidsNamed } from './process-figures.ts'
import type { RawDocker } from './raw-docker.ts'
import type { BenchServer } from './server.ts'

export interface DensityOptions {
  /** Stops here at the latest. */
  most: number
  /** Stops when less memory than this is left on the machine. */
  floorBytes: number
  /** How many live ones the idle processor time is measured with, and how long. */
  idleAt: number
  idleSeconds: number
}

const MIB = 1024 * 1024
const AT_ONCE = 4
const LISTS = 50

/** How many idle sandboxes live at the same time on this machine, and what each costs. Prints as it goes; leaves nothing behind. */
export async function density(
  { client, docker, server }: { client: Client; docker: RawDocker; server: BenchServer },
  { most, floorBytes, idleAt, idleSeconds }: DensityOptions,
  show: (line: string) => void,
): Promise<void> {
  const before = await availableBytes()
  const serverBefore = (await figuresOf(server.pid)).residentBytes
  const others = new Set(await pidsNamed('containerd-shim'))
  const ids: string[] = []
  const fill = async (target: number) => {
    const row = await measure(
      'create',
      { count: target - ids.length, load: { kind: 'atOnce', width: AT_ONCE } },
      async () => {
        if ((await availableBytes()) < floorBytes) return
        ids.push(await client.create({ network: 'none', timeout: 86_400 }))
      },
    )
    if (row.failures > 0) throw new Error(`${row.failures} creates failed with ${ids.length} live`)
  }
  const report = async () => {
    const agents: number[] = []
    for (const { Id } of await docker.ofInstance(server.instance)) agents.push(await docker.pidOf(Id))
    const shims = (await pidsNamed('containerd-shim')).filter((pid) => !others.has(pid))
    const own = await figuresOf(server.pid)
    const mib = (bytes: number) => (bytes / MIB).toFixed(1)
    const list = await measure('list', { count: LISTS, warmUp: 5 }, () => client.call('GET', '/sandboxes'))
    show(
      `${String(ids.length).padStart(5)} live: each ${mib((before - (await availableBytes())) / ids.length)} MiB of the machine, ` +
        `agent ${mib(await medianResident(agents))}, shim ${mib(await medianResident(shims))}, ` +
        `server ${mib((own.residentBytes - serverBefore) / ids.length)} (${mib(own.residentBytes)} in all, ${own.handles} handles, ${own.threads} threads); ` +
        `list p50 ${percentile(list.durationsMs, 0.5).toFixed(1)} ms`,
    )
  }
  try {
    for (let target = Math.min(50, most); ; target = Math.min(target * 2, most)) {
      await fill(Math.min(target, ids.length < idleAt ? idleAt : target))
      await report()
      if (ids.length === idleAt) await showIdle(server.pid, idleSeconds, show)
      if (ids.length < target || ids.length >= most) break
    }
  } finally {
    await measure('delete', { count: ids.length, load: { kind: 'atOnce', width: AT_ONCE } }, (n) =>
      client.remove(ids[n] ?? ''),
    )
    while ((await docker.ofInstance(server.instance)).length > 0) await sleep(500)
  }
}

async function showIdle(pid: number, seconds: number, show: (line: string) => void): Promise<void> {
  // What the creates left to do is over then.
  await sleep(5000)
  const { cpuSeconds: begun } = await figuresOf(pid)
  await sleep(seconds * 1000)
  const { cpuSeconds } = await figuresOf(pid)
  show(
    `      idle for ${seconds} s: the server used ${(((cpuSeconds - begun) / seconds) * 100).toFixed(2)} % of a core`,
  )
}

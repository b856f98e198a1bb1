import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from './client.ts'
import { figuresOf } from './process-figures.ts'
import type { RawDocker } from './raw-docker.ts'
import type { BenchServer } from './server.ts'
import { slopeOf } from './slope.ts'
import { SoakLoad } from './soak-load.ts'

export interface SoakOptions {
  minutes: number
  /** Callers at the same time. */
  workers: number
}

/** One series of samples and what it may grow by in an hour. */
interface Series {
  name: string
  unit: string
  values: number[]
  mostAnHour: number
}

const SAMPLE_MS = 5000
/** Deletes are answered before the engine has done them, and those with a timeout have it left. */
const SETTLE_MS = 120_000
/** The beginning is not counted: caches fill, and the heap finds its size. */
const WARM_UP = 1 / 3
const MIB = 1024 * 1024

/**
 * A mixed load for so many minutes; what server, engine and the agent of a sandbox that lives all the time hold is sampled. Shows
 * slopes; resolves with those that are beyond their bounds.
 */
export async function soak(
  bench: { client: Client; docker: RawDocker; server: BenchServer },
  { minutes, workers }: SoakOptions,
  show: (line: string) => void,
): Promise<string[]> {
  const { client, docker, server } = bench
  const old = await client.create({ timeout: 86_400 })
  const load = new SoakLoad(client, old)
  const agent = await docker.pidOf((await docker.ofInstance(server.instance))[0]?.Id ?? '')
  const engine = Number((await readFile('/var/run/docker.pid', 'utf8').catch(() => '0')).trim())
  const watched = [
    { name: 'server', pid: server.pid, memoryMost: 60 },
    { name: 'agent', pid: agent, memoryMost: 12 },
    ...(engine > 0 ? [{ name: 'engine', pid: engine, memoryMost: 240 }] : []),
  ]
  const times: number[] = []
  const series: Series[] = watched.flatMap(({ name, memoryMost }) => [
    { name: `${name} memory`, unit: 'MiB', values: [], mostAnHour: memoryMost },
    { name: `${name} handles`, unit: '', values: [], mostAnHour: 30 },
    { name: `${name} threads`, unit: '', values: [], mostAnHour: 30 },
  ])
  const began = performance.now()
  const end = began + minutes * 60_000
  const working = Array.from({ length: workers }, (_, n) => load.work(n, end))
  let shown = began
  while (performance.now() < end) {
    await sleep(SAMPLE_MS)
    times.push((performance.now() - began) / 3_600_000)
    for (const [index, { pid }] of watched.entries()) {
      const { residentBytes, handles, threads } = await figuresOf(pid)
      for (const [offset, value] of [residentBytes / MIB, handles, threads].entries())
        series[index * 3 + offset]?.values.push(value)
    }
    if (performance.now() - shown < 60_000) continue
    shown = performance.now()
    const latest = series.map(({ name, values }) => `${name} ${values.at(-1)?.toFixed(0)}`).join(', ')
    show(`${((shown - began) / 60_000).toFixed(0)} min: ${load.done} done, ${load.failed} failed; ${latest}`)
  }
  await Promise.all(working)
  show(load.summary())

  const from = Math.floor(times.length * WARM_UP)
  const beyond: string[] = []
  for (const { name, unit, values, mostAnHour } of series) {
    const counted = values.slice(from)
    const slope = slopeOf(times.slice(from), counted)
    const range = `${Math.min(...counted).toFixed(0)} to ${Math.max(...counted).toFixed(0)} ${unit}`
    const verdict = slope > mostAnHour ? `BEYOND ${mostAnHour}` : 'ok'
    const line = `${name.padEnd(16)} ${slope >= 0 ? '+' : ''}${slope.toFixed(1)} ${unit}/h (${range}) ${verdict}`
    show(line)
    if (slope > mostAnHour) beyond.push(line)
  }
  if (load.failed > 0) beyond.push(`${load.failed} operations failed: ${load.firstFailure}`)
  await client.remove(old)
  for (let waited = 0; waited < SETTLE_MS && (await docker.ofInstance(server.instance)).length > 0; waited += 500)
    await sleep(500)
  const left = (await docker.ofInstance(server.instance)).length
  if (left > 0) beyond.push(`${left} containers are left`)
  return beyond
}

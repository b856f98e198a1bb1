import { readdir, readFile } from 'node:fs/promises'
import { percentile } from './measure.ts'

/** A process of this machine, as /proc(5) shows it. */
export interface ProcessFigures {
  residentBytes: number
  threads: number
  /** Open files, sockets and pipes. */
  handles: number
  /** Seconds of processor time since its start. */
  cpuSeconds: number
}

/** Of proc(5): clock ticks a second, which is 100 on every Linux that Node runs on. */
const TICKS = 100

export async function figuresOf(pid: number): Promise<ProcessFigures> {
  const [status, stat, handles] = await Promise.all([
    readFile(`/proc/${pid}/status`, 'utf8'),
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readdir(`/proc/${pid}/fd`),
  ])
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN)
  // The name may hold spaces and brackets: fields are counted from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS
  return { residentBytes: field('VmRSS') * 1024, threads: field('Threads'), handles: handles.length, cpuSeconds }
}

/** Process ids whose executable has this name. */
export async function pidsNamed(name: string): Promise<number[]> {
  const found: number[] = []
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const comm = await readFile(`/proc/${entry}/comm`, 'utf8').catch(() => '')
    // The kernel keeps 15 characters of it.
    if (comm.trim() === name.slice(0, 15)) found.push(Number(entry))
  }
  return found
}

/** The median of what processes hold resident. */
export async function medianResident(pids: number[]): Promise<number> {
  const sizes: number[] = []
  for (const pid of pids) sizes.push((await figuresOf(pid)).residentBytes)
  return percentile(
    sizes.sort((a, b) => a - b),
    0.5,
  )
}

/** Of the machine: what can be had without swapping. */
export async function availableBytes(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8')
  return Number(/^MemAvailable:\s+(\d+)/m.exec(text)?.[1]) * 1024
}

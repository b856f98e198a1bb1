import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** One process as /proc/PID/stat has it (proc(5)). */
interface ProcessStat {
  pid: number
  parent: number
  state: string
  startTime: string
}

const MOST_ROUNDS = 500

/** When the kernel started the process, in its own units; null when there is none, or it is a zombie. Tells a pid from its reuse. */
export function startTimeOf(pid: number): string | null {
  const stat = readStat(pid)
  return stat === null || isDead(stat) ? null : stat.startTime
}

/** Stopped by a signal, as `freezeTree` leaves it. */
export function isFrozen(pid: number): boolean {
  return readStat(pid)?.state === 'T'
}

/**
 * SIGSTOP for the process and all below it, in rounds until all stand still and nothing new appears: afterwards none of them
 * can start another.
 */
export async function freezeTree(pid: number): Promise<void> {
  const sent = new Set<number>()
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const moving = [pid, ...descendants(pid)].filter((one) => startTimeOf(one) !== null && !isFrozen(one))
    if (moving.length === 0) return
    const fresh = moving.filter((one) => !sent.has(one))
    for (const one of fresh) {
      sent.add(one)
      send(one, 'SIGSTOP')
    }
    // The kernel stops a process when it next looks for signals, not when one is sent.
    if (fresh.length === 0) await sleep(1)
  }
}

/** SIGCONT for all of them, the root last. */
export function thawTree(pid: number): void {
  for (const one of [...descendants(pid).reverse(), pid]) send(one, 'SIGCONT')
}

/** Kills the process and all below it; frozen first, so that nothing slips away. Resolves when the root is gone. */
export async function killTree(pid: number): Promise<void> {
  const startTime = startTimeOf(pid)
  if (startTime === null) return
  await freezeTree(pid)
  for (const one of [...descendants(pid), pid]) send(one, 'SIGKILL')
  for (let waitMs = 1; startTimeOf(pid) === startTime && waitMs < 2000; waitMs *= 2) await sleep(waitMs)
}

/** Kills whoever has its working folder at or below this one: what an agent that died on its own left behind. */
export function killInFolder(folder: string): void {
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const found = allPids().filter(
      (pid) => pid !== process.pid && isIn(workingFolder(pid), folder) && startTimeOf(pid) !== null,
    )
    if (found.length === 0) return
    for (const pid of found) send(pid, 'SIGKILL')
  }
}

/** Processes with this word among the first of their command line, the program itself left out. */
export function pidsWithArgument(matches: (word: string) => boolean): number[] {
  return allPids().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0', 8).slice(1).some(matches)
    } catch {
      return false
    }
  })
}

function isIn(path: string | null, folder: string): boolean {
  return path !== null && (path === folder || path.startsWith(`${folder}/`))
}

function workingFolder(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return null
  }
}

/** Living ones, parents before children. */
function descendants(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const pid of allPids()) {
    const stat = readStat(pid)
    if (stat === null || isDead(stat)) continue
    const siblings = children.get(stat.parent)
    if (siblings === undefined) children.set(stat.parent, [pid])
    else siblings.push(pid)
  }
  const found: number[] = []
  const open = [root]
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const below = children.get(next) ?? []
    found.push(...below)
    open.push(...below)
  }
  return found
}

function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

function readStat(pid: number): ProcessStat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name, in parentheses, may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { pid, state: fields[0] ?? '', parent: Number(fields[1]), startTime: fields[19] ?? '' }
  } catch {
    return null
  }
}

function isDead({ state }: ProcessStat): boolean {
  return state === 'Z' || state === 'X'
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended in the meantime, which is what was wanted, or it is another user's, which nobody here can change.
  }
}

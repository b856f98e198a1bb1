import { readdir, readFile } from 'node:fs/promises'

export interface HostProcess {
  pid: number
  words: string
  /** Full id, null outside of containers. */
  containerId: string | null
}

/** Processes of this machine whose command line matches, with the container that each is in. */
export async function findProcesses(matches: RegExp): Promise<HostProcess[]> {
  const found: HostProcess[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const words = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim()
    if (!matches.test(words)) continue
    const groups = await readFile(`/proc/${name}/cgroup`, 'utf8').catch(() => '')
    found.push({ pid: Number(name), words, containerId: /[0-9a-f]{64}/.exec(groups)?.[0] ?? null })
  }
  return found
}

/** SIGKILL. Whether it was still there. */
export function killProcess(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL')
    return true
  } catch {
    return false
  }
}

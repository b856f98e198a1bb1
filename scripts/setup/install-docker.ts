import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { installPackages } from './apt.ts'
import { SetupError } from './problems.ts'
import { asRoot, runProgram } from './run-program.ts'

const START_TIMEOUT_MS = 30_000
const POLL_MS = 200

/** The distribution's engine. iptables is only recommended by it, and without it no container gets a network. */
export async function installDocker(): Promise<void> {
  await installPackages(['docker.io', 'iptables'], 'run sandboxes')
}

export interface StartOptions {
  /** Log and pid file of an engine that no init system looks after. */
  dataDir: string
  answers: () => Promise<boolean>
}

/** Starts the engine by whatever starts services here and waits until it answers. Throws SetupError after 30 s. */
export async function startDocker({ dataDir, answers }: StartOptions): Promise<void> {
  const root = (await asRoot()) ?? []
  const kind = initSystem()
  let logPath = ''
  if (kind === 'systemd') await runProgram([...root, 'systemctl', 'start', 'docker'], { timeoutMs: START_TIMEOUT_MS })
  else if (kind === 'init') await runProgram([...root, 'service', 'docker', 'start'], { timeoutMs: START_TIMEOUT_MS })
  else logPath = startDetached(root, dataDir)

  const deadline = Date.now() + START_TIMEOUT_MS
  while (!(await answers())) {
    if (Date.now() > deadline) throw new SetupError(describeNoStart(kind, logPath))
    await sleep(POLL_MS)
  }
}

/** `none`: a container or a machine whose first process is an ordinary program. */
function initSystem(): 'systemd' | 'init' | 'none' {
  if (existsSync('/run/systemd/system')) return 'systemd'
  const first = readFileSync('/proc/1/comm', 'utf8').trim()
  return first === 'init' && existsSync('/etc/inittab') ? 'init' : 'none'
}

/** An engine in a session of its own: it outlives this process. Returns the path of its log. */
function startDetached(root: string[], dataDir: string): string {
  mkdirSync(dataDir, { recursive: true })
  const logPath = join(dataDir, 'dockerd.log')
  const log = openSync(logPath, 'a')
  const [program = '', ...args] = [...root, 'dockerd']
  const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  child.on('error', () => {}) // no dockerd after all: the wait for an answer says so, with the log
  if (child.pid) writeFileSync(join(dataDir, 'dockerd.pid'), `${child.pid}\n`)
  child.unref()
  return logPath
}

function describeNoStart(kind: string, logPath: string): string {
  const where = kind === 'systemd' ? '`journalctl -u docker`' : kind === 'init' ? '/var/log/docker.log' : logPath
  return `The Docker engine did not answer within ${START_TIMEOUT_MS / 1000} s of its start: its log says why (${where}).`
}

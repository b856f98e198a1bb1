import { hashOf, type Outcome, parsed } from './client.ts'
import { isVersion, type KnownFile, type KnownSandbox, type SettledStatus } from './model.ts'
import type { Random } from './random.ts'
import { ask, violate, type World } from './world.ts'

/** One worker's own view: its chance, and the paths that it alone writes. */
export interface Worker {
  name: string
  random: Random
}

/** Most bytes of a file. */
const LARGEST_FILE = 300_000
/** Long enough to outlive the run: these must never expire. */
const LONG_SECONDS = 86_000
const LIVING = 8

export type Operation = (world: World, worker: Worker, sandbox: KnownSandbox) => Promise<void>

export async function create(world: World, { name: who, random }: Worker): Promise<void> {
  const { model, figures } = world
  const tag = model.newTag()
  const short = random.chance(0.2)
  const sent = {
    tag,
    name: random.chance(0.3) ? `n-${tag}` : null,
    timeoutSeconds: short ? random.between(4, 12) : LONG_SECONDS,
    onTimeout: random.weighted({ delete: 6, stop: 2, pause: 2 }),
    autoResume: random.chance(0.3),
    unanswered: false,
  }
  model.creates.set(tag, sent)
  const body = {
    metadata: { tag },
    network: 'none',
    timeout: sent.timeoutSeconds,
    on_timeout: sent.onTimeout,
    auto_resume: sent.autoResume,
    ...(sent.name ? { name: sent.name } : {}),
  }
  const leaves = random.chance(0.1) ? { leaveAfterMs: random.between(20, 900) } : {}
  const outcome = await ask(world, who, { method: 'POST', path: '/sandboxes', body, ...leaves })
  const { sandbox_id: id } = parsed<{ sandbox_id: string }>(outcome)
  if (outcome.kind === 'answer' && outcome.status < 300 && id) {
    figures.created++
    model.add(sent, id)
  } else if (outcome.kind === 'answer' || outcome.kind === 'unsent') model.creates.delete(tag)
  else sent.unanswered = true
}

const write: Operation = async (world, worker, sandbox) => {
  const path = `f-${worker.name}-${worker.random.between(1, 3)}`
  const file = sandbox.files.get(path) ?? { path, versions: [], acknowledged: -1 }
  sandbox.files.set(path, file)
  const bytes = contentOf(worker.random, `${sandbox.id} ${path} ${file.versions.length}`)
  const index = file.versions.push({ hash: hashOf(bytes) }) - 1
  const { status } = await use(world, worker, sandbox, {
    method: 'PUT',
    path: `/sandboxes/${sandbox.id}/files?path=${path}`,
    body: bytes,
  })
  if (status !== null && status < 300) file.acknowledged = index
}

const writeText: Operation = async (world, worker, sandbox) => {
  const path = `t-${worker.name}`
  const file = sandbox.files.get(path) ?? { path, versions: [], acknowledged: -1 }
  sandbox.files.set(path, file)
  const content = `${sandbox.id} ${file.versions.length}\n`.repeat(worker.random.between(1, 400))
  const index = file.versions.push({ hash: hashOf(Buffer.from(content)) }) - 1
  const body = { action: 'write', path, content }
  const { status } = await use(world, worker, sandbox, {
    method: 'POST',
    path: `/sandboxes/${sandbox.id}/filesystem`,
    body,
  })
  if (status === 200) file.acknowledged = index
}

const read: Operation = async (world, worker, sandbox) => {
  const file = worker.random.pick([...sandbox.files.values()])
  if (file && (file.acknowledged >= 0 || worker.random.chance(0.1))) await readAndCompare(world, worker, sandbox, file)
}

/** Whether it could be read. A wrong or lost file is a violation. */
export async function readAndCompare(
  world: World,
  worker: Worker,
  sandbox: KnownSandbox,
  file: KnownFile,
): Promise<boolean> {
  const { acknowledged } = file
  const { outcome, status, code } = await use(world, worker, sandbox, {
    method: 'GET',
    path: `/sandboxes/${sandbox.id}/files?path=${file.path}`,
  })
  if (outcome.kind !== 'answer') return false
  const about = `${file.path} of ${sandbox.id}, version ${acknowledged} acknowledged`
  if (status === 200) {
    world.figures.filesRead++
    if (!isVersion(file, acknowledged, hashOf(outcome.body)))
      violate(
        world,
        `${about}: it holds none of the versions since (${outcome.body.length} bytes: ${JSON.stringify(outcome.body.subarray(0, 60).toString())})`,
        [sandbox.id],
      )
    return true
  }
  if (code === 'FILE_NOT_FOUND' && acknowledged >= 0) violate(world, `${about}: it is gone`, [sandbox.id])
  return code === 'FILE_NOT_FOUND'
}

const command: Operation = async (world, worker, sandbox) => {
  const word = `w${worker.random.between(0, 1e9)}`
  const slow = worker.random.chance(0.2) ? `sleep 0.${worker.random.between(1, 9)}; ` : ''
  const body = { command: `${slow}echo ${word}`, timeout: 20 }
  const leaves = worker.random.chance(0.1) ? { leaveAfterMs: worker.random.between(5, 400) } : {}
  const { outcome } = await use(world, worker, sandbox, {
    method: 'POST',
    path: `/sandboxes/${sandbox.id}/command`,
    body,
    ...leaves,
  })
  const { stdout, exit_code } = parsed<{ stdout: string; exit_code: number }>(outcome)
  if (exit_code === 0 && stdout !== `${word}\n`)
    violate(world, `a command printed ${JSON.stringify(stdout)} for ${word}`, [sandbox.id])
}

const follow: Operation = async (world, worker, sandbox) => {
  const body = { command: 'for i in 1 2 3 4 5; do echo $i; sleep 0.05; done', timeout: 20 }
  const headers = { accept: worker.random.chance(0.5) ? 'text/event-stream' : 'application/x-ndjson' }
  await use(world, worker, sandbox, { method: 'POST', path: `/sandboxes/${sandbox.id}/command`, body, headers })
}

const code: Operation = async (world, worker, sandbox) => {
  const body = { code: 'echo $((6 * 7))', language: 'bash', timeout: 20 }
  await use(world, worker, sandbox, { method: 'POST', path: `/sandboxes/${sandbox.id}/code`, body })
}

const look: Operation = async (world, worker, sandbox) => {
  const path = worker.random.chance(0.5) ? '/sandboxes' : `/sandboxes/${sandbox.id}`
  const outcome = await ask(world, worker.name, { method: 'GET', path })
  if (path !== '/sandboxes') forbidLoss(world, sandbox, outcome)
}

const stop: Operation = (world, worker, sandbox) => change(world, worker, sandbox, { action: 'stop' }, 'stopped')
const start: Operation = (world, worker, sandbox) => change(world, worker, sandbox, { action: 'start' }, 'running')
const pause: Operation = (world, worker, sandbox) => change(world, worker, sandbox, { action: 'pause' }, 'paused')
const resume: Operation = (world, worker, sandbox) => change(world, worker, sandbox, { action: 'resume' }, 'running')
const restart: Operation = (world, worker, sandbox) => change(world, worker, sandbox, { action: 'restart' }, 'running')

async function change(
  world: World,
  worker: Worker,
  sandbox: KnownSandbox,
  body: object,
  to: SettledStatus,
): Promise<void> {
  if (sandbox.changing) return
  sandbox.changing = true
  const before = sandbox.status
  sandbox.excuses.add('a change is under way')
  const { status } = await use(world, worker, sandbox, {
    method: 'POST',
    path: `/sandboxes/${sandbox.id}/actions`,
    body,
  })
  sandbox.changing = false
  if (status === 200) {
    sandbox.status = to
    sandbox.excuses.clear()
  } else if (status === 409) {
    // Refused: nothing was changed, and what the record says now is somebody else's doing.
    sandbox.status = before
    sandbox.excuses.add('refused')
  } else sandbox.excuses.add('a change had no answer')
}

/** PATCH with metadata: what was answered is there after every crash. */
const relabel: Operation = async (world, worker, sandbox) => {
  if (sandbox.relabelling) return
  sandbox.relabelling = true
  const label = String(worker.random.between(0, 1e9))
  const body = { metadata: { tag: sandbox.tag, label } }
  const { outcome, status } = await use(world, worker, sandbox, {
    method: 'PATCH',
    path: `/sandboxes/${sandbox.id}`,
    body,
  })
  if (status === 200) sandbox.labels = [label]
  else if (outcome.kind !== 'unsent') sandbox.labels.push(label)
  sandbox.relabelling = false
}

const remove: Operation = async (world, worker, sandbox) => {
  if (world.model.living().length < LIVING / 2) return
  sandbox.deleteSent = true
  const outcome = await ask(world, worker.name, { method: 'DELETE', path: `/sandboxes/${sandbox.id}` })
  if (outcome.kind === 'unsent') sandbox.deleteSent = false
  if (outcome.kind === 'answer' && (outcome.status === 200 || outcome.status === 404)) sandbox.deleted = true
}

const operations = {
  write,
  writeText,
  read,
  command,
  follow,
  code,
  look,
  stop,
  start,
  pause,
  resume,
  restart,
  relabel,
  remove,
}
const WEIGHTS: Record<keyof typeof operations, number> = {
  write: 20,
  writeText: 6,
  read: 16,
  command: 18,
  follow: 4,
  code: 4,
  look: 6,
  stop: 3,
  start: 8,
  pause: 3,
  resume: 3,
  relabel: 3,
  restart: 2,
  remove: 5,
}

/** What one worker does next. */
export async function operate(world: World, worker: Worker): Promise<void> {
  const living = world.model.living()
  const sandbox = worker.random.pick(living)
  if (!sandbox || worker.random.chance(living.length < LIVING ? 0.3 : 0.02)) return create(world, worker)
  await operations[worker.random.weighted(WEIGHTS)](world, worker, sandbox)
}

/** A request that uses the sandbox. `status`: null without an answer. */
async function use(world: World, worker: Worker, sandbox: KnownSandbox, call: Parameters<typeof ask>[2]) {
  const beganAt = performance.now()
  sandbox.useBegins()
  const outcome = await ask(world, worker.name, call)
  const status = outcome.kind === 'answer' ? outcome.status : null
  sandbox.useEnds(beganAt, status !== null && status < 300)
  forbidLoss(world, sandbox, outcome)
  return { outcome, status, code: parsed<{ code: string }>(outcome).code }
}

function forbidLoss(world: World, sandbox: KnownSandbox, outcome: Outcome): void {
  const { code } = parsed<{ code: string }>(outcome)
  if (code === 'SANDBOX_NOT_FOUND' && !sandbox.mayBeGone)
    violate(world, `${sandbox.id} (${sandbox.tag}) is not known any more`, [sandbox.id, sandbox.tag])
}

/** Bytes that no other write has, so that a mixture of two is seen. */
function contentOf(random: Random, label: string): Buffer {
  const bytes = Buffer.alloc(random.chance(0.3) ? random.between(1, LARGEST_FILE) : random.between(1, 4000))
  const seed = random.between(0, 255)
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 31 + (at >> 8) * 17 + seed) & 255
  const head = Buffer.from(`${label}\n`)
  head.copy(bytes)
  if (bytes.length > 2 * head.length) head.copy(bytes, bytes.length - head.length)
  return bytes
}

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AgentClient } from '../../src/agent/client.ts'
import { AgentLink } from '../../src/agent/link.ts'
import { runToEnd } from '../../src/agent/run-to-end.ts'
import type { OutputEvent, ProcessStatus, StartProcess } from '../../src/agent/types.ts'
import type { Engine, EngineEvent, EngineRef, EngineSandbox, SandboxSpec } from '../../src/engine/types.ts'
import { newSandboxId } from '../../src/lib/ids.ts'
import { readTar, writeTar } from '../../src/lib/tar.ts'

/** An engine under test, and what only its own tools can do or see. */
export interface EngineSubject {
  engine: Engine
  /** Closes the engine and opens one of the same instance, as a restarted server does. */
  restart(): Promise<Engine>
  template: string
  /** Ends the sandbox's agent as nobody should: what the kernel or an operator would do. */
  killBehindOurBack(sandbox: Box): Promise<void>
  removeBehindOurBack(sandbox: Box): Promise<void>
  /** What is left of a sandbox outside of the engine's own words: folders, containers, processes. Empty: nothing. */
  leftovers(id: string): Promise<string[]>
  close(): Promise<void>
}

export interface Box {
  id: string
  ref: EngineRef
  cwd: string
  user: string
}

const RESOURCES = { cpus: 1, memoryMb: 256, pids: 200, diskMb: null }

const spec = (id: string, template: SandboxSpec['template'], change: Partial<SandboxSpec> = {}): SandboxSpec => ({
  id,
  template,
  resources: RESOURCES,
  network: 'none',
  record: JSON.stringify({ kind: 'contract', id }),
  ...change,
})

/** The same behaviour of every engine, through its port alone and with the real agent. */
export function describeEngine(name: string, open: () => Promise<EngineSubject>): void {
  describe(name, () => {
    let subject: EngineSubject
    let engine: Engine
    const made = new Set<string>()

    beforeAll(async () => {
      subject = await open()
      engine = subject.engine
    })
    afterAll(async () => {
      const left: string[] = []
      for (const id of made) {
        await engine.remove(id, null)
        left.push(...(await subject.leftovers(id)))
      }
      await subject?.close()
      expect(left).toEqual([])
    })

    async function create(change: Partial<SandboxSpec> = {}): Promise<Box> {
      const id = newSandboxId()
      made.add(id)
      const template = await engine.resolveTemplate(subject.template)
      const { ref, fixed } = await engine.create(spec(id, template, change))
      return { id, ref, cwd: fixed?.cwd ?? '/srv/contract', user: fixed?.user ?? '0:0' }
    }

    /** A running sandbox with its client; both are gone after the test. */
    async function running(change: Partial<SandboxSpec> = {}) {
      const box = await create(change)
      await engine.start(box.id, box.ref)
      const client = await AgentClient.connect(await engine.connect(box.id, box.ref))
      await client.prepare({ user: box.user, cwd: box.cwd })
      return {
        ...box,
        client,
        async [Symbol.asyncDispose]() {
          client.destroy()
          await engine.remove(box.id, box.ref)
        },
      }
    }

    test('a sandbox is created, then started, then its agent answers', async () => {
      const box = await create()
      expect(await engine.inspect(box.id, box.ref)).toMatchObject({ id: box.id, status: 'created', exitCode: null })
      await engine.start(box.id, box.ref)
      expect(await engine.inspect(box.id, box.ref)).toMatchObject({ status: 'running', exitCode: null })
      const client = await AgentClient.connect(await engine.connect(box.id, box.ref))
      const info = await client.info()
      expect(info.bootId).not.toBe('')
      expect(info).toEqual({ ...client.greeting, processes: 0 })
      client.destroy()
      await engine.remove(box.id, box.ref)
    })

    test('starting what runs changes nothing', async () => {
      await using box = await running()
      await engine.start(box.id, box.ref)
      expect((await box.client.info()).bootId).toBe(box.client.bootId)
    })

    test('a process has its streams apart, its folder, its environment and its exit code', async () => {
      await using box = await running()
      const script = 'echo out; echo err >&2; pwd; echo "$GREETING"; exit 3'
      const { stdout, stderr, status } = await execute(box.client, {
        ...shell(box, script),
        env: { PATH, GREETING: 'hello' },
      })
      expect(stdout).toBe(`out\n${box.cwd}\nhello\n`)
      expect(stderr).toBe('err\n')
      expect(status).toMatchObject({ state: 'exited', exitCode: 3, reason: 'exited', signal: null })
    })

    test('files and folders of a sandbox are written, listed, read and removed', async () => {
      await using box = await running()
      const path = `${box.cwd}/dir/file é`
      const content = randomBytes(200_000)
      expect(await box.client.writeFile(path, box.user, content)).toMatchObject({
        path,
        type: 'file',
        sizeBytes: content.length,
      })
      const { body, sizeBytes } = await box.client.readFile(path, box.user)
      expect(sizeBytes).toBe(content.length)
      expect((await body.bytes(1 << 20)).equals(content)).toBe(true)
      const { entries } = await box.client.list(`${box.cwd}/dir`, box.user)
      expect(entries.map((entry) => entry.name)).toEqual(['file é'])
      await box.client.remove(`${box.cwd}/dir`, box.user, { recursive: true })
      await expect(box.client.stat(path, box.user)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' })
    })

    test('stop ends the processes and keeps the files; start gives a new agent', async () => {
      await using box = await running()
      await box.client.writeFile(`${box.cwd}/kept`, box.user, Buffer.from('kept'))
      await box.client.startDetached({ ...shell(box, 'sleep 1000'), id: 'sleeper' })
      await engine.stop(box.id, box.ref)
      expect(await box.client.closed).toMatchObject({ code: 'AGENT_UNAVAILABLE' })
      expect(await engine.inspect(box.id, box.ref)).toMatchObject({ status: 'stopped', outOfMemory: false })
      await engine.stop(box.id, box.ref)
      await expect(engine.connect(box.id, box.ref)).rejects.toMatchObject({ name: 'SandboxError' })

      await engine.start(box.id, box.ref)
      const again = await AgentClient.connect(await engine.connect(box.id, box.ref))
      expect(again.bootId).not.toBe(box.client.bootId)
      expect(await again.listProcesses()).toEqual([])
      const { body } = await again.readFile(`${box.cwd}/kept`, box.user)
      expect((await body.bytes(100)).toString()).toBe('kept')
      again.destroy()
    })

    test('remove kills what runs, leaves nothing, and may be repeated', async () => {
      const box = await running()
      await box.client.startDetached({ ...shell(box, 'sleep 1000 & setsid sleep 1000 & wait'), id: 'sleeper' })
      await engine.remove(box.id, box.ref)
      await engine.remove(box.id, box.ref)
      await engine.remove(box.id, null)
      expect(await subject.leftovers(box.id)).toEqual([])
      await expect(engine.inspect(box.id, box.ref)).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' })
      expect((await engine.list()).map(({ id }) => id)).not.toContain(box.id)
    })

    test('remove without the reference finds the sandbox by its id', async () => {
      const box = await running()
      await engine.remove(box.id, null)
      expect(await subject.leftovers(box.id)).toEqual([])
    })

    test('the list has our sandboxes in every state, with their records', async () => {
      const created = await create()
      await using box = await running()
      const found = new Map((await engine.list()).map((sandbox) => [sandbox.id, sandbox]))
      const expected = (id: string, status: string): Partial<EngineSandbox> =>
        ({ status, record: JSON.stringify({ kind: 'contract', id }) }) as Partial<EngineSandbox>
      expect(found.get(created.id)).toMatchObject({ ref: created.ref, ...expected(created.id, 'created') })
      expect(found.get(box.id)).toMatchObject({ ref: box.ref, ...expected(box.id, 'running') })
      await engine.remove(created.id, created.ref)
    })

    test('a record of 8 KiB with any characters comes back as it was', async () => {
      const record = `"\\\n\u0000\u2028é😀${'x'.repeat(8000)}`.replace('\u0000', '')
      const box = await create({ record })
      expect((await engine.inspect(box.id, box.ref)).record).toBe(record)
      await engine.remove(box.id, box.ref)
    })

    test('a sandbox that does not exist is SANDBOX_NOT_FOUND', async () => {
      const id = newSandboxId()
      const ref = id
      const notFound = { code: 'SANDBOX_NOT_FOUND' }
      await expect(engine.inspect(id, ref)).rejects.toMatchObject(notFound)
      await expect(engine.start(id, ref)).rejects.toMatchObject(notFound)
      await expect(engine.stop(id, ref)).rejects.toMatchObject(notFound)
      await expect(engine.connect(id, ref)).rejects.toMatchObject(notFound)
      await expect(engine.readArchive(id, ref, '/x')).rejects.toMatchObject(notFound)
    })

    test('a template that does not exist is TEMPLATE_NOT_FOUND', async () => {
      await expect(engine.resolveTemplate('k2-contract/no-such-image:1')).rejects.toMatchObject({
        code: 'TEMPLATE_NOT_FOUND',
        message: expect.stringContaining('k2-contract/no-such-image:1'),
      })
    })

    test('the death of a sandbox behind our back is told', async () => {
      await using box = await running()
      const told = await eventAfter(engine, box.id, 'died', () => subject.killBehindOurBack(box))
      expect(told).toMatchObject({ type: 'died', id: box.id, ref: box.ref, outOfMemory: false })
      expect(await box.client.closed).toMatchObject({ code: 'AGENT_UNAVAILABLE' })
      expect(await engine.inspect(box.id, box.ref)).toMatchObject({ status: 'stopped' })
      await engine.start(box.id, box.ref)
      const again = await AgentClient.connect(await engine.connect(box.id, box.ref))
      again.destroy()
    })

    test('the removal of a sandbox behind our back is told', async () => {
      await using box = await running()
      const told = await eventAfter(engine, box.id, 'removed', () => subject.removeBehindOurBack(box))
      expect(told).toMatchObject({ type: 'removed', id: box.id })
      expect(await box.client.closed).toMatchObject({ code: 'AGENT_UNAVAILABLE' })
      await expect(engine.inspect(box.id, box.ref)).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' })
    })

    test('events end with their signal', async () => {
      const end = new AbortController()
      const events = engine.events({ signal: end.signal })
      const reading = Array.fromAsync(events)
      end.abort()
      for (const event of await reading) expect(event.type).toBe('resync')
    })

    test('after a loss a new connection reaches the same agent and its processes', async () => {
      await using box = await running()
      await box.client.startDetached({ ...shell(box, 'echo before; sleep 1000'), id: 'sleeper' })
      const connection = await engine.connect(box.id, box.ref)
      const again = await AgentClient.connect(connection)
      expect(again.bootId).toBe(box.client.bootId)
      connection.destroy()
      await again.closed
      const third = await AgentClient.connect(await engine.connect(box.id, box.ref))
      expect(third.bootId).toBe(box.client.bootId)
      const output = await third.followOutput('sleeper', 0)
      for await (const event of output) {
        if (event.type === 'stdout') {
          expect(event.bytes.toString()).toBe('before\n')
          break
        }
      }
      await third.killProcess('sleeper')
      third.destroy()
    })

    test('a restarted server finds the sandbox, reaches its agent and can remove it', async () => {
      await using box = await running()
      box.client.destroy()
      engine = await subject.restart()
      expect((await engine.list()).find(({ id }) => id === box.id)).toMatchObject({ ref: box.ref, status: 'running' })
      const client = await AgentClient.connect(await engine.connect(box.id, box.ref))
      expect(client.bootId).toBe(box.client.bootId)
      client.destroy()
      await engine.remove(box.id, box.ref)
      expect(await subject.leftovers(box.id)).toEqual([])
    })

    test('a process runs on while the server restarts, and is followed again at the byte where it was left', async () => {
      await using box = await running()
      const link = new AgentLink((options) => engine.connect(box.id, box.ref, options))
      let text = ''
      const ended = runToEnd(link, shell(box, 'for n in 1 2 3 4 5 6 7 8; do echo $n; sleep 0.2; done'), {
        onOutput: (event) => {
          if (event.type === 'stdout') text += event.bytes
        },
      })
      await expect.poll(() => text.length).toBeGreaterThan(1)
      box.client.destroy()
      engine = await subject.restart()
      expect((await ended).exitCode).toBe(0)
      expect(text).toBe('1\n2\n3\n4\n5\n6\n7\n8\n')
      link.close()
    })

    test('a paused sandbox stands still and goes on', async () => {
      await using box = await running()
      await engine.pause(box.id, box.ref)
      expect(await engine.inspect(box.id, box.ref)).toMatchObject({ status: 'paused' })
      const answer = box.client.info()
      const outcome = await Promise.race([answer.then(() => 'answered'), sleep(200, 'silent')])
      expect(outcome).toBe('silent')
      await engine.resume(box.id, box.ref)
      expect(await engine.inspect(box.id, box.ref)).toMatchObject({ status: 'running' })
      expect((await answer).bootId).toBe(box.client.bootId)
    })

    test('a paused sandbox can be stopped and removed', async () => {
      const box = await running()
      await box.client.startDetached({ ...shell(box, 'sleep 1000'), id: 'sleeper' })
      await engine.pause(box.id, box.ref)
      await engine.stop(box.id, box.ref)
      expect(await engine.inspect(box.id, box.ref)).toMatchObject({ status: 'stopped' })
      await engine.remove(box.id, box.ref)
      expect(await subject.leftovers(box.id)).toEqual([])
    })

    test('an image of a sandbox has its files, and sandboxes that are made of it begin with them', async () => {
      await using box = await running()
      await box.client.writeFile(`${box.cwd}/before`, box.user, Buffer.from('in it'), { mode: 0o640 })
      const id = newSandboxId()
      const image = await engine.commit(box.id, box.ref, { kind: 'snapshot', id, record: 'kept ü' })
      try {
        await box.client.writeFile(`${box.cwd}/after`, box.user, Buffer.from('not in it'))
        expect(await engine.inspect(box.id, box.ref)).toMatchObject({ status: 'running' })
        expect(await engine.listImages()).toContainEqual(
          expect.objectContaining({ kind: 'snapshot', id, ref: image.ref, record: 'kept ü' }),
        )
        await expect(engine.resolveTemplate(image.ref)).rejects.toMatchObject({ code: 'TEMPLATE_NOT_FOUND' })
        const template = await engine.resolveImage(image.ref, 'named so')
        const origin = await engine.resolveTemplate(subject.template)
        const own = { reference: 'named so', imageId: image.ref, workdir: origin.workdir ?? template.workdir }
        // An image that names no PATH has the usual one afterwards.
        expect(template).toEqual({ ...origin, ...own, env: { PATH: template.env.PATH, ...origin.env } })
        {
          await using copy = await running({ template })
          const { body } = await copy.client.readFile(`${copy.cwd}/before`, copy.user)
          expect((await body.bytes(100)).toString()).toBe('in it')
          expect((await copy.client.stat(`${copy.cwd}/before`, copy.user)).mode).toBe(0o640)
          await expect(copy.client.stat(`${copy.cwd}/after`, copy.user)).rejects.toMatchObject({
            code: 'FILE_NOT_FOUND',
          })
          await expect(engine.removeImage(image.ref)).rejects.toMatchObject({ code: 'IMAGE_IN_USE' })
          expect(await engine.changes(copy.id, copy.ref)).toEqual([])
        }
      } finally {
        await engine.removeImage(image.ref)
      }
      await engine.removeImage(image.ref)
      expect((await engine.listImages()).filter((one) => one.id === id)).toEqual([])
      await expect(engine.resolveImage(image.ref, 'x')).rejects.toMatchObject({ code: 'TEMPLATE_NOT_FOUND' })
    })

    test('an image is made of a paused sandbox, which stays so, and of a stopped one; it says what it is told to', async () => {
      await using box = await running()
      await box.client.writeFile(`${box.cwd}/file`, box.user, Buffer.from('x'))
      const says = { env: { A: '1' }, user: 'somebody', workdir: '/srv' }
      for (const status of ['paused', 'stopped'] as const) {
        await engine[status === 'paused' ? 'pause' : 'stop'](box.id, box.ref)
        const spec = { kind: 'template' as const, id: newSandboxId(), record: '', ...says }
        const image = await engine.commit(box.id, box.ref, spec)
        expect(await engine.inspect(box.id, box.ref)).toMatchObject({ status })
        expect(await engine.resolveImage(image.ref, 'x')).toMatchObject(says)
        await engine.removeImage(image.ref)
      }
    })

    test('what changed in a sandbox is told, running and stopped', async () => {
      await using box = await running()
      const file = (name: string, content: string) =>
        box.client.writeFile(`${box.cwd}/${name}`, box.user, Buffer.from(content))
      await file('dir/kept', 'x')
      await file('gone', 'x')
      const { ref } = await engine.commit(box.id, box.ref, { kind: 'snapshot', id: newSandboxId(), record: '' })
      {
        await using copy = await running({ template: await engine.resolveImage(ref, 'x') })
        const path = (name: string) => `${copy.cwd}/${name}`
        await copy.client.writeFile(path('dir/kept'), copy.user, Buffer.from('longer'))
        await copy.client.writeFile(path('dir/new'), copy.user, Buffer.from('x'))
        await copy.client.remove(path('gone'), copy.user)
        const files = async () =>
          (await engine.changes(copy.id, copy.ref)).filter((one) => /kept|new|gone/.test(one.path))
        const expected = [
          { path: path('dir/kept'), kind: 'modified' },
          { path: path('dir/new'), kind: 'added' },
          { path: path('gone'), kind: 'deleted' },
        ]
        expect(await files()).toEqual(expected)
        await engine.stop(copy.id, copy.ref)
        expect(await files()).toEqual(expected)
      }
      await engine.removeImage(ref)
    })

    test('a signal that is aborted already ends every call with its reason', async () => {
      await using box = await running()
      const why = new Error('left')
      const options = { signal: AbortSignal.abort(why) }
      const template = await engine.resolveTemplate(subject.template)
      const calls = [
        engine.open(options),
        engine.create(spec(newSandboxId(), template), options),
        engine.start(box.id, box.ref, options),
        engine.stop(box.id, box.ref, options),
        engine.pause(box.id, box.ref, options),
        engine.update(box.id, box.ref, RESOURCES, options),
        engine.inspect(box.id, box.ref, options),
        engine.list(options),
        engine.resolveImage('sha256:0', 'x', options),
        engine.commit(box.id, box.ref, { kind: 'snapshot', id: newSandboxId(), record: '' }, options),
        engine.listImages(options),
        engine.removeImage('sha256:0', options),
        engine.changes(box.id, box.ref, options),
        engine.createVolume({ id: newSandboxId(), record: '' }, options),
        engine.listVolumes(options),
        engine.volumeSizes(options),
        engine.removeVolume('none', options),
        engine.removeLeftovers(options),
        engine.connect(box.id, box.ref, options),
        engine.remove(box.id, box.ref, options),
      ]
      for (const outcome of await Promise.allSettled(calls))
        expect(outcome).toMatchObject({ status: 'rejected', reason: why })
      expect(await engine.inspect(box.id, box.ref)).toMatchObject({ status: 'running' })
    })

    test('a create that is aborted in the middle leaves nothing', async () => {
      const template = await engine.resolveTemplate(subject.template)
      for (const delayMs of [0, 5, 20, 60]) {
        const id = newSandboxId()
        made.add(id)
        const end = new AbortController()
        const creating = engine.create(spec(id, template), { signal: end.signal })
        creating.catch(() => {})
        await sleep(delayMs)
        end.abort(new Error('left'))
        const outcome = await creating.then(
          () => 'made',
          () => 'aborted',
        )
        if (outcome === 'made') await engine.remove(id, null)
        await expect.poll(() => subject.leftovers(id), { timeout: 5000 }).toEqual([])
      }
    })

    test('a file and a tree of a stopped sandbox are read as a tar', async () => {
      await using box = await running()
      await box.client.writeFile(`${box.cwd}/top/a`, box.user, Buffer.from('content of a'))
      await box.client.writeFile(`${box.cwd}/top/deep/b`, box.user, Buffer.alloc(1_000_000, 1))
      await engine.stop(box.id, box.ref)
      expect(await contentsOf(await engine.readArchive(box.id, box.ref, `${box.cwd}/top/a`))).toEqual({ a: 12 })
      expect(await contentsOf(await engine.readArchive(box.id, box.ref, `${box.cwd}/top`))).toEqual({
        'top/a': 12,
        'top/deep/b': 1_000_000,
      })
      await expect(engine.readArchive(box.id, box.ref, `${box.cwd}/none`)).rejects.toMatchObject({
        code: 'FILE_NOT_FOUND',
      })
    })

    test('an archive that nobody reads can be left', async () => {
      await using box = await running()
      await box.client.writeFile(`${box.cwd}/large`, box.user, Buffer.alloc(5_000_000))
      await engine.stop(box.id, box.ref)
      const tar = await engine.readArchive(box.id, box.ref, `${box.cwd}/large`)
      tar.destroy()
      await once(tar, 'close')
      expect(await engine.inspect(box.id, box.ref)).toMatchObject({ status: 'stopped' })
    })

    test('a tar is unpacked into a stopped sandbox, over what was there', async () => {
      await using box = await running()
      await box.client.writeFile(`${box.cwd}/file`, box.user, Buffer.from('old'))
      await engine.stop(box.id, box.ref)
      const owner = { uid: 0, gid: 0 }
      const tar = writeTar([
        { name: 'file', type: 'file', mode: 0o600, ...owner, content: Buffer.from('new') },
        { name: 'dir', type: 'directory', mode: 0o755, ...owner },
        { name: 'dir/inner', type: 'file', mode: 0o644, ...owner, content: Buffer.from('inner') },
      ])
      await engine.writeArchive(box.id, box.ref, box.cwd, tar)
      const none = writeTar([{ name: 'x', type: 'file', mode: 0o600, ...owner, content: Buffer.from('x') }])
      await expect(engine.writeArchive(box.id, box.ref, `${box.cwd}/none`, none)).rejects.toMatchObject({
        code: 'FILE_NOT_FOUND',
      })
      await engine.start(box.id, box.ref)
      const client = await AgentClient.connect(await engine.connect(box.id, box.ref))
      for (const [path, content] of [
        ['file', 'new'],
        ['dir/inner', 'inner'],
      ]) {
        const { body } = await client.readFile(`${box.cwd}/${path}`, box.user)
        expect((await body.bytes(100)).toString()).toBe(content)
      }
      expect(await client.stat(`${box.cwd}/file`, box.user)).toMatchObject({ mode: 0o600 })
      client.destroy()
    })

    test('eight sandboxes at once are made, used and removed', async () => {
      const outputs = await Promise.all(
        Array.from({ length: 8 }, async (_, index) => {
          await using box = await running()
          const { stdout } = await execute(box.client, shell(box, `echo ${index} > f; cat f`))
          return stdout
        }),
      )
      expect(outputs).toEqual(Array.from({ length: 8 }, (_, index) => `${index}\n`))
    })
  })
}

const PATH = '/usr/local/bin:/usr/bin:/bin'

function shell(box: Box, script: string): StartProcess {
  return { id: `p${newSandboxId()}`, argv: ['/bin/sh', '-c', script], env: { PATH }, cwd: box.cwd, user: box.user }
}

async function execute(
  client: AgentClient,
  request: StartProcess,
): Promise<{ stdout: string; stderr: string; status: ProcessStatus }> {
  const { output } = await client.startProcess(request)
  const events: OutputEvent[] = await Array.fromAsync(output)
  const text = (type: 'stdout' | 'stderr') =>
    events.map((event) => (event.type === type ? event.bytes.toString() : '')).join('')
  const last = events.at(-1)
  if (last?.type !== 'ended') throw new Error('the process has no end')
  return { stdout: text('stdout'), stderr: text('stderr'), status: last.status }
}

/** The first event of this type for the sandbox, which `cause` brings about. */
async function eventAfter(
  engine: Engine,
  id: string,
  type: EngineEvent['type'],
  cause: () => Promise<void>,
): Promise<EngineEvent> {
  const end = new AbortController()
  const events = engine.events({ signal: AbortSignal.any([end.signal, AbortSignal.timeout(20_000)]) })
  try {
    for await (const event of events) {
      // The stream stands: what is done now is seen.
      if (event.type === 'resync') await cause()
      else if ('id' in event && event.id === id && event.type === type) return event
    }
  } finally {
    end.abort()
  }
  throw new Error(`no event "${type}" was told`)
}

/** Names and sizes of the files in a tar. */
async function contentsOf(tar: Readable): Promise<Record<string, number>> {
  const found: Record<string, number> = {}
  for await (const entry of readTar(tar)) if (entry.type === 'file') found[entry.name] = (await entry.bytes()).length
  return found
}

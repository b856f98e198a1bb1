import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AgentClient } from '../../src/agent/client.ts'
import { createLocalEngine } from '../../src/engine/local/local-engine.ts'
import type { Engine } from '../../src/engine/types.ts'
import { newSandboxId } from '../../src/lib/ids.ts'
import { agentBinary } from './agent-binary.ts'

const log = { warn: () => {} }

async function withDataDir(use: (dataDir: string, open: () => Promise<Engine>) => Promise<void>): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'k2-local-'))
  const open = async () => {
    const engine = createLocalEngine({ agentBinary: agentBinary(), dataDir, defaultTemplate: 'debian:x', log })
    await engine.open()
    return engine
  }
  try {
    await use(dataDir, open)
  } finally {
    const engine = await open()
    for (const { id } of await engine.list()) await engine.remove(id, null)
    await engine.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function startOne(engine: Engine) {
  const id = newSandboxId()
  const template = await engine.resolveTemplate('local')
  const resources = { cpus: 1, memoryMb: 256, pids: 100, diskMb: null }
  const { fixed } = await engine.create({ id, template, resources, network: 'none', record: '{}' })
  await engine.start(id, id)
  return { id, cwd: fixed?.cwd ?? '', user: fixed?.user ?? '' }
}

function commandLines(part: string): string[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      } catch {
        return ''
      }
    })
    .filter((line) => line.includes(part))
}

test('an agent whose folder was removed while no server ran is killed by the next one', () =>
  withDataDir(async (dataDir, open) => {
    const engine = await open()
    const { id } = await startOne(engine)
    await engine.close()
    await rm(join(dataDir, 'local', id), { recursive: true })
    expect(commandLines(id)).toHaveLength(1)
    const next = await open()
    expect(commandLines(id)).toEqual([])
    expect(await next.list()).toEqual([])
    await next.close()
  }))

test('an agent that can not be reached any more is killed by the next server, with what it started', () =>
  withDataDir(async (dataDir, open) => {
    const engine = await open()
    const { id, cwd, user } = await startOne(engine)
    const client = await AgentClient.connect(await engine.connect(id, id))
    const env = { PATH: '/usr/bin:/bin' }
    await client.startDetached({
      id: 'p',
      argv: ['/bin/sh', '-c', 'sleep 1000 & setsid sleep 1000 & wait'],
      env,
      cwd,
      user,
    })
    await engine.close()
    // As after a restore of the data folder from a copy: the token is another one.
    const path = join(dataDir, 'local', id, 'state.json')
    const state = JSON.parse(readFileSync(path, 'utf8')) as { run: { token: string } }
    state.run.token = '0'.repeat(64)
    const { writeFileSync } = await import('node:fs')
    writeFileSync(path, JSON.stringify(state))
    const next = await open()
    expect(await next.inspect(id, id)).toMatchObject({ status: 'stopped' })
    expect(commandLines(id)).toEqual([])
    await next.close()
  }))

test('a folder that a crash left half-made is removed', () =>
  withDataDir(async (dataDir, open) => {
    const engine = await open()
    const { id } = await startOne(engine)
    await rm(join(dataDir, 'local', id, 'identity.json'))
    await engine.close()
    const next = await open()
    expect(readdirSync(join(dataDir, 'local'))).toEqual([])
    expect(commandLines(id)).toEqual([])
    await next.close()
  }))

test('only the default template and "local" are there', () =>
  withDataDir(async (_, open) => {
    const engine = await open()
    expect((await engine.resolveTemplate('debian:x')).reference).toBe('debian:x')
    await expect(engine.resolveTemplate('debian:y')).rejects.toMatchObject({ code: 'TEMPLATE_NOT_FOUND' })
    await engine.close()
  }))

test('an archive does not leave the folder of its sandbox', () =>
  withDataDir(async (_, open) => {
    const engine = await open()
    const { id, cwd, user } = await startOne(engine)
    const client = await AgentClient.connect(await engine.connect(id, id))
    const argv = ['/bin/sh', '-c', 'ln -s /etc outside; ln -s /etc/passwd file']
    const { output } = await client.startProcess({ id: 'p', argv, env: { PATH: '/usr/bin:/bin' }, cwd, user })
    expect((await Array.fromAsync(output)).at(-1)).toMatchObject({ status: { exitCode: 0 } })
    client.destroy()
    await engine.stop(id, id)
    for (const path of ['/etc/passwd', `${cwd}/outside/passwd`, `${cwd}/../../x`, `${cwd}/../state.json`, 'relative']) {
      await expect(engine.readArchive(id, id, path)).rejects.toMatchObject({ code: 'PATH_REFUSED' })
    }
    const link = await engine.readArchive(id, id, `${cwd}/file`)
    const bytes = Buffer.concat(await Array.fromAsync(link))
    expect(bytes.toString('latin1')).not.toContain('root:')
    if (!link.closed) await once(link, 'close')
    await engine.close()
  }))

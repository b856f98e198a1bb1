import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalEngine } from '../../src/engine/local/local-engine.ts'
import { agentBinary } from './agent-binary.ts'
import { describeEngine } from './describe-engine.ts'

describeEngine('local engine', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'k2-local-'))
  const log = { warn: () => {} }
  const make = () => createLocalEngine({ agentBinary: agentBinary(), dataDir, log })
  let engine = make()
  await engine.open()
  const folderOf = (id: string) => join(dataDir, 'local', id)
  return {
    engine,
    restart: async () => {
      await engine.close()
      engine = make()
      await engine.open()
      return engine
    },
    template: 'local',
    killBehindOurBack: async ({ id }) => {
      const { run } = JSON.parse(readFileSync(join(folderOf(id), 'state.json'), 'utf8')) as { run: { pid: number } }
      process.kill(run.pid, 'SIGKILL')
    },
    removeBehindOurBack: ({ id }) => rm(folderOf(id), { recursive: true }),
    leftovers: async (id) => [...(existsSync(folderOf(id)) ? [folderOf(id)] : []), ...processesIn(folderOf(id))],
    close: async () => {
      await engine.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
})

/** Who works in the folder, or was started with it. */
function processesIn(folder: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return (
        readlinkSync(`/proc/${pid}/cwd`).startsWith(folder) ||
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)
      )
    } catch {
      return false
    }
  })
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { folder, open } from './data-folder.ts'

test('a process that is killed while it writes leaves a whole database with all that it had said', {
  timeout: 60_000,
}, async () => {
  const dataDir = folder()
  const said = new Set<string>()
  for (let round = 0; round < 4; round++) {
    const args = [
      '--disable-warning=ExperimentalWarning',
      fileURLToPath(new URL('./writer.ts', import.meta.url)),
      dataDir,
    ]
    const writer = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void writer.kill('SIGKILL'))
    const closed = once(writer, 'close')
    let text = ''
    const enough = 20 + Math.floor(Math.random() * 600)
    for await (const chunk of writer.stdout.setEncoding('utf8') as AsyncIterable<string>) {
      text += chunk
      if (text.split('\n').length > enough) writer.kill('SIGKILL')
    }
    await closed
    const [found, ...ids] = text.split('\n').slice(0, -1)
    expect(found).toBe(round === 0 ? 'found new' : 'found whole')
    for (const id of ids) said.add(id)
  }
  const store = open(dataDir)
  expect(store.found).toEqual({ kind: 'whole' })
  const kept = new Set(store.sandboxes.all().map(({ id }) => id))
  expect([...said].filter((id) => !kept.has(id))).toEqual([])
})

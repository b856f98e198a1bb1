import { describe, expect, test } from 'vitest'
import { describeCode } from '../support/behaviour/code.ts'
import { describeCommands } from '../support/behaviour/commands.ts'
import { describeFiles } from '../support/behaviour/files.ts'
import { describeLifecycle } from '../support/behaviour/lifecycle.ts'
import { describeProcesses } from '../support/behaviour/processes.ts'
import { LINKS, useServer } from '../support/live.ts'

describe.each(LINKS)('over the %s link', (link) => {
  const live = useServer({ link })

  test('the server says that it uses it', async () => {
    const ready = await live.api.json('GET', '/readyz')
    expect(ready).toMatchObject({ status: 'ready', engine: { name: 'docker', link } })
  })

  describe('life', () => describeLifecycle(live))
  describe('commands', () => describeCommands(live))
  describe('files', () => describeFiles(live))
  describe('code', () => describeCode(live))
  describe('processes', () => describeProcesses(live))
})

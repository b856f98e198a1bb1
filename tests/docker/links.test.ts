import { describe, expect, test } from 'vitest'
import { describeCode } from '../support/behaviour/code.ts'
import { describeCommands } from '../support/behaviour/commands.ts'
import { describeEgress } from '../support/behaviour/egress.ts'
import { describeFileTree } from '../support/behaviour/file-tree.ts'
import { describeFiles } from '../support/behaviour/files.ts'
import { describeLifecycle } from '../support/behaviour/lifecycle.ts'
import { describePorts } from '../support/behaviour/ports.ts'
import { describeProcesses } from '../support/behaviour/processes.ts'
import { describeRawFiles } from '../support/behaviour/raw-files.ts'
import { describeSleep } from '../support/behaviour/sleep.ts'
import { describeTerminals } from '../support/behaviour/terminals.ts'
import { LINKS, useServer } from '../support/live.ts'

describe.each(LINKS)('over the %s link', (link) => {
  const live = useServer({ link })

  test('the server says that it uses it', async () => {
    const ready = await live.api.json('GET', '/readyz')
    expect(ready).toMatchObject({ status: 'ready', engine: { name: 'docker', link } })
  })

  describe('life', () => describeLifecycle(live))
  describe('sleep', () => describeSleep(live))
  describe('commands', () => describeCommands(live))
  describe('files', () => describeFiles(live))
  describe('code', () => describeCode(live))
  describe('raw files', () => describeRawFiles(live))
  describe('file tree', () => describeFileTree(live))
  describe('processes', () => describeProcesses(live))
  describe('terminals', () => describeTerminals(live))
  describe('egress', () => describeEgress(live))
  describe('ports', () => describePorts(live, 3000))
})

/** `npm run density [-- --most 400] [-- --idle-at 200] [-- --floor-mb 2048]`: how many idle sandboxes fit this machine, and what each costs. */
import { parseArgs } from 'node:util'
import { Client } from '../bench/client.ts'
import { density } from '../bench/density.ts'
import { measure, percentile } from '../bench/measure.ts'
import { RawDocker } from '../bench/raw-docker.ts'
import { startServer } from '../bench/server.ts'
import { readConfig } from '../src/config.ts'
import { setUpOrExplain } from './setup.ts'

const { values } = parseArgs({
  options: {
    most: { type: 'string', default: '400' },
    'idle-at': { type: 'string', default: '200' },
    'idle-seconds': { type: 'string', default: '60' },
    'floor-mb': { type: 'string', default: '2048' },
    records: { type: 'string', default: '1000' },
  },
})

if (!(await setUpOrExplain(process.env, []))) process.exit(1)
const config = readConfig(process.env, [])
const docker = new RawDocker(config.dockerHost.replace(/^unix:\/\//, ''), config.defaults.template)
const server = await startServer('dial')
const client = new Client(server.port)
try {
  const options = {
    most: Number(values.most),
    floorBytes: Number(values['floor-mb']) * 1024 * 1024,
    idleAt: Number(values['idle-at']),
    idleSeconds: Number(values['idle-seconds']),
  }
  await density({ client, docker, server }, options, console.log)
} finally {
  client.close()
  await server[Symbol.asyncDispose]()
  await docker.removeNetwork(server.instance)
}
await listRecords(Number(values.records))

/** Stopped sandboxes of the local engine are records and a folder: as many as are asked for. */
async function listRecords(count: number): Promise<void> {
  await using local = await startServer('local')
  const records = new Client(local.port)
  await measure('create', { count, load: { kind: 'atOnce', width: 8 } }, async () => {
    const id = await records.create({ timeout: 86_400 })
    await records.call('POST', `/sandboxes/${id}/actions`, { action: 'stop' })
  })
  const list = await measure('list', { count: 50, warmUp: 5 }, () => records.call('GET', '/sandboxes?limit=1000'))
  const p50 = percentile(list.durationsMs, 0.5).toFixed(1)
  console.log(
    `${String(count).padStart(5)} records (stopped): list p50 ${p50} ms, p95 ${percentile(list.durationsMs, 0.95).toFixed(1)} ms`,
  )
  const { sandboxes } = await records.call<{ sandboxes: { sandbox_id: string }[] }>('GET', '/sandboxes?limit=1000')
  for (const { sandbox_id } of sandboxes) await records.remove(sandbox_id)
  records.close()
}

/** `npm run bench [-- --quick] [-- --link dial|exec]`: each operation beside raw Docker in the same run, on each link. Table on the screen, JSON in bench/results/. */
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { Client } from '../bench/client.ts'
import { RawDocker } from '../bench/raw-docker.ts'
import { startServer } from '../bench/server.ts'
import { FULL, QUICK, runSuite } from '../bench/suite.ts'
import { figures, TABLE_HEAD, tableLine } from '../bench/table.ts'
import { readConfig } from '../src/config.ts'
import { setUpOrExplain } from './setup.ts'

const flags = process.argv.slice(2)
const extent = flags.includes('--quick') ? QUICK : FULL
const asked = flags.includes('--link') ? flags[flags.indexOf('--link') + 1] : undefined
const links = (['dial', 'exec'] as const).filter((link) => asked === undefined || asked === link)

if (!(await setUpOrExplain(process.env, []))) process.exit(1)
const config = readConfig(process.env, [])
const docker = new RawDocker(config.dockerHost.replace(/^unix:\/\//, ''), config.defaults.template)
const results: Record<string, object[]> = {}
for (const link of links) {
  console.log(`\nlink ${link}, ${cpus().length} cores, Node ${process.version}, image ${config.defaults.template}`)
  console.log(TABLE_HEAD)
  const server = await startServer(link)
  const client = new Client(server.port)
  try {
    const rows = await runSuite({ client, docker, server }, extent, (row) => console.log(tableLine(row)))
    results[link] = rows.map(({ measured, raw }) => ({ ...figures(measured), raw: raw && figures(raw) }))
  } finally {
    client.close()
    await server[Symbol.asyncDispose]()
    await docker.removeAll()
    await docker.removeNetwork(server.instance)
  }
}
await mkdir('bench/results', { recursive: true })
const file = `bench/results/${new Date().toISOString().replaceAll(/[:.]/g, '-')}.json`
await writeFile(
  file,
  `${JSON.stringify({ at: new Date(), node: process.version, cores: cpus().length, results }, null, 2)}\n`,
)
console.log(`\nwritten to ${file}`)

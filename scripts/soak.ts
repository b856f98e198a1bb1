/** `npm run soak [-- --minutes 30] [-- --workers 4] [-- --link dial|exec]`: a mixed load, and whether anything grows under it. Exit code 1 when something does. */
import { parseArgs } from 'node:util'
import { Client } from '../bench/client.ts'
import { RawDocker } from '../bench/raw-docker.ts'
import { startServer } from '../bench/server.ts'
import { soak } from '../bench/soak.ts'
import { readConfig } from '../src/config.ts'
import { setUpOrExplain } from './setup.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    workers: { type: 'string', default: '4' },
    link: { type: 'string', default: 'dial' },
  },
})

if (!(await setUpOrExplain(process.env, []))) process.exit(1)
const config = readConfig(process.env, [])
const docker = new RawDocker(config.dockerHost.replace(/^unix:\/\//, ''), config.defaults.template)
const server = await startServer(values.link === 'exec' ? 'exec' : 'dial')
const client = new Client(server.port)
let beyond: string[] = []
try {
  const options = { minutes: Number(values.minutes), workers: Number(values.workers) }
  beyond = await soak({ client, docker, server }, options, console.log)
} finally {
  client.close()
  for (const { Id } of await docker.ofInstance(server.instance))
    console.log(`still there at the end: ${Id.slice(0, 12)}`)
  await server[Symbol.asyncDispose]()
  await docker.removeOfInstance(server.instance)
}
if (beyond.length > 0) {
  console.log(`\nbeyond their bounds:\n${beyond.join('\n')}`)
  process.exit(1)
}

import { FULL_IMAGE } from '../scripts/setup/template-image.ts'
import type { Client } from './client.ts'
import { measure } from './measure.ts'
import type { Add, Bench, Extent } from './suite.ts'

const MIB = 1024 * 1024
const READY_LIMIT_MS = 30_000
/** A language whose context is a Jupyter kernel of the full image. */
const KERNEL = { template: FULL_IMAGE.reference, language: 'r', code: 'cat(1)', argv: ['Rscript', '-e', 'cat(1)'] }
/** Nothing but what is there in a sandbox without contexts: the agent, and the command that asks. */
const RESIDENT =
  "ps -eo pid=,rss=,comm= | awk '$1 != 1 && $3 !~ /^(sh|bash|ps|awk)$/ { kib += $2 } END { print kib + 0 }'"
const RESIDENT_OF_BASH = 'ps -eo rss=,comm= --sort=start_time | awk \'$2 == "bash" { print $1; exit }\''

/** What contexts cost beside their warm cells: started ahead, by a kernel of the image, and in memory. */
export async function contexts(bench: Bench, extent: Extent, add: Add): Promise<void> {
  await prestarted(bench, extent, add)
  await kernel(bench, extent, add)
  for (const language of ['python', 'javascript', 'typescript', 'bash'])
    await showContext(bench.client, language, 'k2data/sandbox-base:latest')
  if (await bench.docker.has(KERNEL.template)) await showContext(bench.client, KERNEL.language, KERNEL.template)
}

async function prestarted({ client, docker }: Bench, { creates: count }: Extent, add: Add): Promise<void> {
  const made: string[] = []
  for (let index = 0; index < count; index++) {
    const id = await client.create({ prestart: ['python'] })
    made.push(id)
    await ready(client, id)
  }
  const container = await docker.createAndStart()
  add(
    await measure('first python cell, prestarted', { count }, (index) => client.code(made[index] ?? '', { code: '1' })),
    await measure('docker exec python3', { count }, () => docker.exec(container, ['python3', '-c', 'print(1)'])),
  )
  for (const id of made) await client.remove(id)
  await docker.removeAll()
}

/** Resolves when a context of the sandbox waits for code. */
async function ready(client: Client, id: string): Promise<void> {
  const limit = performance.now() + READY_LIMIT_MS
  for (;;) {
    const { contexts } = await client.call<{ contexts: { state: string }[] }>('GET', `/sandboxes/${id}/contexts`)
    if (contexts.some(({ state }) => state === 'idle')) return
    if (performance.now() > limit) throw new Error('the context that was to start ahead did not')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function kernel({ client, docker }: Bench, { calls, creates }: Extent, add: Add): Promise<void> {
  const { template, language, code, argv } = KERNEL
  if (!(await docker.has(template))) {
    console.log(`  ${language} cells: skipped, ${template} is not built (npm run setup -- --full)`)
    return
  }
  const id = await client.create({ template })
  const container = await docker.createAndStart('bridge', template)
  const run = () => client.code(id, { language, code })
  const exec = () => measure(`docker exec ${argv[0]}`, { count: creates }, () => docker.exec(container, argv))
  await run() // finds out which kernels there are
  const first = async () => {
    const { context_id } = await run()
    await client.call('DELETE', `/sandboxes/${id}/contexts/${context_id}`)
  }
  const few = Math.ceil(creates / 2)
  add(await measure(`first ${language} cell (kernel)`, { count: few, warmUp: 1 }, first), await exec())
  add(await measure(`${language} cell (kernel), warm`, { count: calls, warmUp: 20 }, run), await exec())
  await client.remove(id)
  await docker.removeAll()
}

/** Resident memory of a context that has run one trivial cell, all its processes together. */
async function showContext(client: Client, language: string, template: string): Promise<void> {
  const id = await client.create({ template })
  await client.code(id, { language, code: language === 'bash' ? ':' : '1' })
  const { stdout } = await client.command(id, language === 'bash' ? RESIDENT_OF_BASH : RESIDENT)
  console.log(`  memory: ${language} context, idle ${((Number(stdout) * 1024) / MIB).toFixed(1)} MiB`)
  await client.remove(id)
}

/**
 * `npm run chaos [-- --rounds 200] [-- --seed N] [-- --minutes N] [-- --only server-kill,engine-cut] [-- --story]`: rounds of crashes
 * under load on an engine of its own, and after each a look at what must hold. Needs root and `dockerd`. Exit code 1 for a violation.
 */
import { parseArgs } from 'node:util'
import { readConfig } from '../src/config.ts'
import { FAULTS, type FaultKind } from '../tests/chaos/faults.ts'
import { runChaos } from '../tests/chaos/run-chaos.ts'
import { canRunOwnEngine } from '../tests/docker/own-engine.ts'
import { setUpOrExplain } from './setup.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    minutes: { type: 'string' },
    only: { type: 'string' },
    story: { type: 'boolean', default: false },
  },
})
const kinds = values.only?.split(',').filter((kind): kind is FaultKind => Object.hasOwn(FAULTS, kind))
if (kinds?.length === 0) {
  console.error(`--only takes some of: ${Object.keys(FAULTS).join(', ')}`)
  process.exit(1)
}
if (!canRunOwnEngine()) {
  console.error('The crash suite kills engines, so it starts one of its own: run it as root on a machine with dockerd.')
  process.exit(1)
}
if (!(await setUpOrExplain(process.env, []))) process.exit(1)

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) process.exit(1)
    console.log('ending after this round; once more leaves the engine and its containers behind')
    interrupted.abort()
  })
}

const seed = Number(values.seed)
console.log(`seed ${seed}`)
const { figures, violations } = await runChaos({
  seed,
  rounds: Number(values.rounds),
  ...(values.minutes ? { withinMs: Number(values.minutes) * 60_000 } : {}),
  ...(kinds ? { kinds } : {}),
  ...(values.story ? { print: console.log } : {}),
  progress: console.log,
  signal: interrupted.signal,
  images: readConfig(process.env, []).dockerHost,
})
for (const { round, what, story } of violations)
  console.log(`\nVIOLATION in round ${round}: ${what}\n${story.join('\n')}`)
console.log(`\nseed         ${seed}\n${figures.lines().join('\n')}\nviolations   ${violations.length}`)
process.exit(violations.length > 0 ? 1 : 0)

import { expect, test } from 'vitest'
import { runChaos } from '../chaos/run-chaos.ts'
import { dockerHost } from '../setup/docker-host.ts'
import { canRunOwnEngine } from './own-engine.ts'

/** The bounded form of `npm run chaos`: the same faults each time, as many rounds as fit. Other seeds are for long runs by hand. */
const SEED = 7
const WITHIN_MS = 20_000

test.skipIf(!canRunOwnEngine())(
  'crashes of server, engine, agents, containers and links under load break no promise',
  async () => {
    const { figures, violations } = await runChaos({
      seed: SEED,
      rounds: 50,
      withinMs: WITHIN_MS,
      images: dockerHost(),
    })
    console.log(figures.lines().join('\n'))
    expect(violations.map(({ what, story }) => `${what}\n${story.join('\n')}`)).toEqual([])
    expect(figures.rounds).toBeGreaterThan(1)
  },
  180_000,
)

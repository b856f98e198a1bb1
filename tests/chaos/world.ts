import type Docker from 'dockerode'
import type { OwnEngine } from '../docker/own-engine.ts'
import { type Call, described, type Outcome, parsed, send } from './client.ts'
import type { EngineProxy } from './engine-proxy.ts'
import type { Figures } from './figures.ts'
import type { Model } from './model.ts'
import type { ChaosServer } from './server.ts'
import type { SmallDisk } from './small-disk.ts'
import type { Story } from './story.ts'

/** All that a run of the suite is made of. */
export interface World {
  server: ChaosServer
  engine: OwnEngine
  /** Straight to the engine, past the proxy. */
  docker: Docker
  proxy: EngineProxy
  disk: SmallDisk
  model: Model
  story: Story
  figures: Figures
  /** Where the engine's and the agents' processes are ours to kill. */
  violations: Violation[]
}

export interface Violation {
  round: number
  what: string
  story: string[]
}

/** One request of the load, told in the story, counted, and never longer than its deadline. */
export async function ask(world: World, who: string, call: Call): Promise<Outcome> {
  const outcome = await send(world.server.url, call)
  world.figures.request(outcome)
  const body =
    call.body !== undefined && !Buffer.isBuffer(call.body) ? ` ${JSON.stringify(call.body).slice(0, 120)}` : ''
  world.story.tell(`${who} ${call.method} ${call.path}${body} -> ${described(outcome)}`)
  if (outcome.kind === 'hung') violate(world, `a request hung: ${call.method} ${call.path}${body}`)
  const { code } = parsed<{ code: string }>(outcome)
  if (code === 'INTERNAL') violate(world, `INTERNAL answered: ${call.method} ${call.path}${body}`)
  return outcome
}

export function violate(world: World, what: string, words: string[] = []): void {
  world.story.tell(`## VIOLATION ${what}`)
  world.violations.push({
    round: world.figures.rounds,
    what,
    story: world.story.last(words.length > 0 ? 60 : 40, words),
  })
}

import { setTimeout as sleep } from 'node:timers/promises'
import { parsed, send } from './client.ts'
import type { FaultBag } from './fault-bag.ts'
import type { Fault, FaultKind, Heal } from './faults.ts'
import { brokenInvariants } from './invariants.ts'
import type { Load } from './load.ts'
import { readAndCompare } from './operations.ts'
import type { Random } from './random.ts'
import { violate, type World } from './world.ts'

/** From the last answer of the load until everything has to be in order. */
const SETTLE_LIMIT_MS = 45_000
const RECOVERY_LIMIT_MS = 60_000
const LOOK_MS = 100
const FILES_A_ROUND = 12
/** What heals first, so that the next one can. */
const HEALING_ORDER = ['disk', 'engine', 'server', 'sandbox', 'clock'] as const

interface Inflicted {
  kind: FaultKind
  part: Fault['part']
  heal: Heal
}

/** One round: load, one fault or two at random moments, healing, and the look at what must hold afterwards. */
export class Round {
  readonly #world: World
  readonly #load: Load
  readonly #random: Random
  readonly #bag: FaultBag

  constructor(world: World, load: Load, random: Random, bag: FaultBag) {
    this.#world = world
    this.#load = load
    this.#random = random
    this.#bag = bag
  }

  /** One line that says how it went. */
  async run(number: number): Promise<string> {
    const { figures, story, model } = this.#world
    const random = this.#random
    const startedAt = performance.now()
    figures.rounds = number
    this.#load.go()
    await sleep(random.between(100, 1500))

    const inflicted: Inflicted[] = []
    for (const [kind, { part, inflict }] of this.#choose()) {
      story.tell(`## round ${number}: ${kind}`)
      figures.fault(kind)
      inflicted.push({ kind, part, heal: await inflict(this.#world, random) })
      await sleep(random.between(0, 700))
    }
    const label = inflicted.map(({ kind }) => kind).join('+')
    figures.round(label)
    const healingAt = performance.now()
    for (const part of HEALING_ORDER) for (const one of inflicted) if (one.part === part) await one.heal()
    story.tell(`## round ${number}: healed`)

    const recoveryMs = await this.#recover(healingAt)
    await sleep(random.between(0, 600))
    await this.#load.rest()
    const settleMs = await this.#settle()
    await this.#compareFiles()
    this.#readLog()
    return `${String(number).padStart(4)}  ${label.padEnd(34)} recovery ${String(recoveryMs).padStart(5)} ms, settled ${String(settleMs).padStart(5)} ms, ${model.sandboxes.size} sandboxes, ${((performance.now() - startedAt) / 1000).toFixed(1)} s`
  }

  /** One, and sometimes another of another part. */
  #choose(): [FaultKind, Fault][] {
    const first = this.#bag.draw()
    if (!this.#random.chance(0.3)) return [first]
    const second = this.#bag.draw()
    return second[1].part === first[1].part ? [first] : [first, second]
  }

  /** Until the server is ready and a command works in a sandbox that lives; in milliseconds since `beganAt`. */
  async #recover(beganAt: number): Promise<number> {
    const { server, model, figures } = this.#world
    const healedAt = performance.now()
    for (;;) {
      const ready = await send(server.url, { method: 'GET', path: '/readyz' })
      if (
        ready.kind === 'answer' &&
        ready.status === 200 &&
        (await this.#commandWorks(model.living().map(({ id }) => id)))
      )
        break
      if (performance.now() - healedAt > RECOVERY_LIMIT_MS) {
        violate(this.#world, `nothing works ${RECOVERY_LIMIT_MS / 1000} s after the end of the fault`)
        break
      }
      await sleep(20)
    }
    const tookMs = performance.now() - beganAt
    figures.recoveryMs.push(tookMs)
    return Math.round(tookMs)
  }

  /** In any of them; true when there is none. */
  async #commandWorks(ids: string[]): Promise<boolean> {
    let asked = false
    for (const id of ids) {
      const { status } = parsed<{ status: string }>(
        await send(this.#world.server.url, { method: 'GET', path: `/sandboxes/${id}` }),
      )
      if (status !== 'running') continue
      asked = true
      const body = { command: 'true', timeout: 10 }
      const answer = await send(this.#world.server.url, { method: 'POST', path: `/sandboxes/${id}/command`, body })
      if (answer.kind === 'answer' && answer.status === 200) return true
    }
    return !asked
  }

  async #settle(): Promise<number> {
    const { figures, story } = this.#world
    let told = ''
    const beganAt = performance.now()
    for (;;) {
      const broken = await brokenInvariants(this.#world).catch((error: unknown) => [`the look failed: ${error}`])
      const tookMs = performance.now() - beganAt
      if (broken.length === 0) {
        figures.settleMs.push(tookMs)
        return Math.round(tookMs)
      }
      if (tookMs > SETTLE_LIMIT_MS) {
        for (const what of broken) violate(this.#world, what, words(what))
        return Math.round(tookMs)
      }
      const sentence = broken.join('; ').slice(0, 500)
      if (sentence !== told) story.tell(`## not yet: ${sentence}`)
      told = sentence
      await sleep(LOOK_MS)
    }
  }

  async #compareFiles(): Promise<void> {
    const { model } = this.#world
    const worker = { name: 'check', random: this.#random }
    const all = model
      .living()
      .flatMap((sandbox) => [...sandbox.files.values()].map((file) => ({ sandbox, file })))
      .filter(({ sandbox, file }) => file.acknowledged >= 0 && !sandbox.removedOutside)
    for (let count = 0; count < FILES_A_ROUND && all.length > 0; count++) {
      const [one] = all.splice(this.#random.between(0, all.length - 1), 1)
      if (one) await readAndCompare(this.#world, worker, one.sandbox, one.file)
    }
  }

  #readLog(): void {
    const { server } = this.#world
    for (const said of server.complaints.splice(0)) violate(this.#world, `the server's log: ${said}`)
  }
}

/** Ids and tags in a sentence, to find its story by. */
function words(sentence: string): string[] {
  return sentence.match(/\b[a-z0-9]{20}\b|\([^()]*-\d+\)/g)?.map((word) => word.replace(/[()]/g, '')) ?? []
}

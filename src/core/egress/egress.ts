import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AgentClient } from '../../agent/client.ts'
import { SandboxError } from '../../errors.ts'
import type { Clock } from '../clock.ts'
import type { LiveSandboxes } from '../live.ts'
import type { Log } from '../log.ts'
import type { SandboxRecord } from '../record.ts'
import type { Registry } from '../registry.ts'
import { Decisions, type EgressDecision, EgressRefused } from './decision.ts'
import { dialAllowed } from './dial.ts'
import { EgressFront, type EgressSource } from './front.ts'
import { Pace } from './pace.ts'
import { checkRules, type EgressRule, type EgressTarget, namesAddress, ruleOfName } from './rules.ts'
import { cutWhenStalled } from './stalled.ts'
import { wayOutPort } from './way-out.ts'

/** Streams that wait for the next connection, so that a burst needs no turn for each. */
const WAITING = 4
/** Of one sandbox at once; others wait in its kernel. */
const MOST_OPEN = 64
const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 5000

export interface EgressParts {
  registry: Registry
  live: LiveSandboxes
  clock: Clock
  log: Log
}

export interface EgressView {
  /** Where programs find it, null: there is no way out. */
  port: number | null
  allow: EgressRule[]
  decisions: EgressDecision[]
}

interface Open {
  stream: Duplex
  target: EgressTarget
  address: string
}

/** One run of a sandbox that has a way out. */
interface Box {
  id: string
  gone: AbortSignal
  open: Set<Open>
  serving: number
  pace: Pace
  freed: PromiseWithResolvers<void>
}

/** The way out of sandboxes that have no network but an allow-list: connections of their programs come over the link, and are dialled here. */
export class Egress {
  readonly #parts: EgressParts
  readonly #front = new EgressFront()
  readonly #boxes = new Map<string, Box>()
  readonly #decisions = new Map<string, Decisions>()

  constructor(parts: EgressParts) {
    this.#parts = parts
    parts.live.onReached = (record) => this.begin(record)
  }

  /** SANDBOX_NOT_FOUND */
  view(id: string): EgressView {
    const { egress } = this.#parts.registry.require(id)
    return {
      port: egress === null ? null : wayOutPort(id),
      allow: egress ?? [],
      decisions: this.#decisions.get(id)?.latest() ?? [],
    }
  }

  /**
   * Another list, at once: connections that it does not allow are cut. Processes that are started from then on find the way
   * out by their environment. VALIDATION_FAILED, and INVALID_REQUEST for a sandbox with a network.
   */
  change(id: string, allow: EgressRule[]): EgressView {
    const record = this.#parts.registry.require(id)
    if (record.network !== 'none')
      throw new SandboxError(
        'INVALID_REQUEST',
        'the sandbox has network "internet"; an allow-list is for sandboxes with network "none"',
      )
    checkRules(allow, ['body', 'allow'])
    this.#parts.registry.update(id, { egress: allow })
    for (const one of this.#boxes.get(id)?.open ?? []) if (!stillAllowed(allow, one)) one.stream.destroy()
    if (record.status === 'running') this.begin(record)
    return this.view(id)
  }

  /** Waits for connections of a sandbox that runs, until it does not. No-op where it has no list, or that is so already. */
  begin({ id, egress }: SandboxRecord): void {
    const record = this.#parts.registry.find(id)
    if (egress === null || record === undefined) return
    const { gone } = this.#parts.live.of(record)
    if (gone.aborted || this.#boxes.get(id)?.gone === gone) return
    const box: Box = { id, gone, open: new Set(), serving: 0, pace: new Pace(), freed: Promise.withResolvers() }
    this.#boxes.set(id, box)
    void this.#run(box, record).finally(() => {
      if (this.#boxes.get(id) === box) this.#boxes.delete(id)
      if (this.#parts.registry.find(id) === undefined) this.#decisions.delete(id)
    })
  }

  /** Never rejects. */
  async #run(box: Box, record: SandboxRecord): Promise<void> {
    const { live, log } = this.#parts
    const { gone } = box
    let pauseMs = FIRST_RETRY_MS
    while (!gone.aborted) {
      const round = new AbortController()
      try {
        const client = await live.client(record, { signal: gone })
        pauseMs = FIRST_RETRY_MS
        const signal = AbortSignal.any([gone, round.signal])
        await Promise.all(Array.from({ length: WAITING }, () => this.#accept(box, client, signal)))
      } catch (err) {
        if (!gone.aborted) log.debug({ err, sandbox: box.id }, 'the way out of a sandbox was lost; it is opened again')
      } finally {
        round.abort()
      }
      await sleep(pauseMs, undefined, { signal: gone, ref: false }).catch(() => undefined)
      pauseMs = Math.min(pauseMs * 2, LONGEST_RETRY_MS)
    }
  }

  /** Until the link is lost or the sandbox ends; rejects then. */
  async #accept(box: Box, client: AgentClient, signal: AbortSignal): Promise<never> {
    for (;;) {
      while (box.serving >= MOST_OPEN) await box.freed.promise
      await box.pace.take(signal)
      signal.throwIfAborted()
      const stream = await client.acceptEgress(wayOutPort(box.id), { signal })
      box.serving++
      void this.#front.serve(stream, this.#sourceOf(box)).finally(() => {
        box.serving--
        box.freed.resolve()
        box.freed = Promise.withResolvers()
      })
    }
  }

  #sourceOf(box: Box): EgressSource {
    const rules = () => this.#parts.registry.find(box.id)?.egress ?? []
    return {
      rules,
      open: (protocol, target, from) => this.#open(box, rules(), protocol, target, from),
      headersFor: (target) => ruleOfName(rules(), target)?.headers ?? {},
    }
  }

  async #open(
    box: Box,
    rules: readonly EgressRule[],
    protocol: EgressDecision['protocol'],
    target: EgressTarget,
    stream: Duplex,
  ): Promise<Socket> {
    const left = new AbortController()
    const onClose = () => left.abort(new EgressRefused('the program left', true))
    stream.once('close', onClose)
    const decided = (outcome: Pick<EgressDecision, 'allowed' | 'reason' | 'address'>) =>
      this.#write(box.id, { at: this.#parts.clock.now(), protocol, ...target, ...outcome })
    try {
      await box.pace.take(left.signal)
      left.signal.throwIfAborted()
      const socket = await dialAllowed(rules, target, left.signal)
      const address = socket.remoteAddress ?? ''
      decided({ allowed: true, reason: null, address })
      const open = { stream, target, address }
      box.open.add(open)
      cutWhenStalled(stream, socket)
      socket.once('close', () => box.open.delete(open))
      return socket
    } catch (error) {
      const refused = error instanceof EgressRefused ? error : new EgressRefused('the connection failed', true)
      decided({ allowed: refused.unreachable, reason: refused.message, address: null })
      throw refused
    } finally {
      stream.off('close', onClose)
    }
  }

  #write(id: string, decision: EgressDecision): void {
    const kept = this.#decisions.get(id) ?? new Decisions()
    this.#decisions.set(id, kept)
    kept.add(decision)
    const { allowed, protocol, host, port, address, reason } = decision
    this.#parts.log.info({ sandbox: id, allowed, protocol, host, port, address, reason }, 'egress')
  }
}

function stillAllowed(rules: readonly EgressRule[], { target, address }: Open): boolean {
  return target.host === address ? namesAddress(rules, address, target.port) : ruleOfName(rules, target) !== null
}

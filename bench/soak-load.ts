import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from './client.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** What callers do all day, in one sandbox that lives the whole time and in many that do not. */
export class SoakLoad {
  readonly #client: Client
  /** Lives the whole time. */
  readonly #old: string
  readonly #counts = new Map<string, number>()
  done = 0
  failed = 0
  firstFailure = ''

  constructor(client: Client, old: string) {
    this.#client = client
    this.#old = old
  }

  /** One caller, until the time is over. Failures are counted and do not end it. */
  async work(number: number, endMs: number): Promise<void> {
    const operations = Object.entries(this.#operations())
    for (let turn = number * 5; performance.now() < endMs; turn++) {
      const [name, operation] = operations[turn % operations.length] ?? operations[0] ?? ['', async () => undefined]
      try {
        await operation(`${number}-${turn}`)
        this.done++
        this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
      } catch (error) {
        if (this.failed++ === 0)
          this.firstFailure = `${name}: ${error instanceof Error ? error.message : String(error)}`
      }
    }
  }

  summary(): string {
    return [...this.#counts].map(([name, count]) => `${name} ${count}`).join(', ')
  }

  #operations(): Record<string, (mark: string) => Promise<unknown>> {
    const client = this.#client
    const old = this.#old
    const inOld = `/sandboxes/${old}`
    return {
      command: () => client.command(old, 'echo $RANDOM; ls / > /dev/null'),
      cell: () => client.code(old, { code: 'total = sum(range(1000))\nprint(total)' }),
      'cell with 256 KiB': () => client.code(old, { code: 'print("x" * 262144)' }),
      file: async (mark) => {
        const path = `${inOld}/files?path=soak/${mark}`
        await client.upload(path, Buffer.alloc(64 * KIB, 'x'), 16)
        await client.download(path)
        await client.call('DELETE', path)
      },
      process: async () => {
        const { process_id } = await client.call<{ process_id: string }>('POST', `${inOld}/processes`, {
          command: 'seq 10000; exit 0',
        })
        await client.call('GET', `${inOld}/processes/${process_id}/wait?timeout=30`)
        await client.call('DELETE', `${inOld}/processes/${process_id}`)
      },
      'client that leaves': async () => {
        const following = await client.follow(`/events?after=0`, () => undefined)
        const { process_id } = await client.call<{ process_id: string }>('POST', `${inOld}/processes`, {
          command: 'while :; do echo line; sleep 0.01; done',
        })
        const reader = await client.follow(`${inOld}/processes/${process_id}/output`, () => undefined)
        await sleep(50)
        reader.close()
        following.close()
        await client.call('DELETE', `${inOld}/processes/${process_id}`)
      },
      terminal: async () => {
        const socket = await client.socket(`${inOld}/pty?cols=80&rows=24`)
        socket.send(Buffer.from('echo hi; exit\n'))
        await once(socket, 'close')
      },
      context: async () => {
        const context = await client.context(old)
        await client.code(old, { code: 'x = [0] * 100000', context_id: context })
        await client.call('DELETE', `${inOld}/contexts/${context}`)
      },
      archive: () => client.download(`${inOld}/archive?path=/etc`),
      run: () =>
        client.call('POST', '/run', { command: 'echo hi', files: [{ path: 'a', content: 'x' }], outputs: ['a'] }),
      life: async () => {
        const id = await client.create({ timeout: 60 })
        await client.command(id, 'true')
        await client.call('POST', `/sandboxes/${id}/actions`, { action: 'pause' })
        await client.call('POST', `/sandboxes/${id}/actions`, { action: 'resume' })
        await client.code(id, { code: '1 + 1' })
        await client.remove(id)
      },
      expiry: () => client.create({ timeout: 1 }),
      'large upload': async (mark) => {
        const path = `${inOld}/files?path=soak/large-${mark}`
        await client.upload(path, Buffer.alloc(MIB, 'x'), 8)
        await client.call('DELETE', path)
      },
      list: () => client.call('GET', '/sandboxes'),
    }
  }
}

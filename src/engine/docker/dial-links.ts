import { agentToken } from './labels.ts'
import { DialLink } from './link-dial.ts'
import { makeRunDir, removeRunDir, socketPathOf } from './link-socket.ts'

/** The listeners of all sandboxes on the `dial` link: one each, from before its start until it is removed. */
export class DialLinks {
  readonly #dataDir: string
  readonly #secret: Buffer
  readonly #links = new Map<string, Promise<DialLink>>()

  constructor(dataDir: string, secret: Buffer) {
    this.#dataDir = dataDir
    this.#secret = secret
  }

  /** The sandbox's listener, made now when this process has none yet. */
  open(id: string): Promise<DialLink> {
    const known = this.#links.get(id)
    if (known) return known
    const opening = this.#make(id)
    this.#links.set(id, opening)
    opening.catch(() => this.#links.delete(id))
    return opening
  }

  has(id: string): boolean {
    return this.#links.has(id)
  }

  async #make(id: string): Promise<DialLink> {
    makeRunDir(this.#dataDir, id)
    return DialLink.open(socketPathOf(this.#dataDir, id), agentToken(this.#secret, id))
  }

  /** Cuts the link, removes the sandbox's host folder. Idempotent, also for sandboxes of an earlier process. */
  async remove(id: string): Promise<void> {
    await this.#close(id)
    removeRunDir(this.#dataDir, id)
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#links.keys()].map((id) => this.#close(id)))
  }

  async #close(id: string): Promise<void> {
    const link = await this.#links.get(id)?.catch(() => null)
    this.#links.delete(id)
    link?.close()
  }
}

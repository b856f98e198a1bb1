import type { OutputWatch } from './output-watch.ts'

/** How long after its start a container's end is still told with what it printed. */
const WATCHED_MS = 10_000

/** The watches of containers that were just started on the exec link, each until its agent was reached or it is late. */
export class Starting {
  readonly #watches = new Map<string, { watch: OutputWatch; timer: NodeJS.Timeout }>()

  add(id: string, watch: OutputWatch): void {
    this.forget(id)
    const timer = setTimeout(() => this.forget(id), WATCHED_MS)
    timer.unref()
    this.#watches.set(id, { watch, timer })
  }

  get(id: string): OutputWatch | null {
    return this.#watches.get(id)?.watch ?? null
  }

  /** Ends the watch. Idempotent. */
  forget(id: string): void {
    const entry = this.#watches.get(id)
    if (entry === undefined) return
    clearTimeout(entry.timer)
    entry.watch.close()
    this.#watches.delete(id)
  }

  close(): void {
    for (const id of [...this.#watches.keys()]) this.forget(id)
  }
}

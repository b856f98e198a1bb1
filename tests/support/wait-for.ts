import { setTimeout as sleep } from 'node:timers/promises'

const PAUSE_MS = 50

/** Asks again and again until `look` gives something else than undefined, null or false; after `withinMs` it throws what was waited for. */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  { withinMs = 20_000 }: { withinMs?: number } = {},
): Promise<T> {
  const end = performance.now() + withinMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== null && found !== false) return found
    if (performance.now() > end) throw new Error(`waited ${withinMs} ms for ${what}`)
    await sleep(PAUSE_MS)
  }
}

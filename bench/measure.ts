/** One measured operation: durations of those that succeeded, and how long the whole row took. */
export interface Measured {
  name: string
  /** Milliseconds, ascending. */
  durationsMs: number[]
  failures: number
  wallMs: number
  /** Bytes moved by one operation; gives a rate in MB/s. */
  bytes: number | null
}

/** Seconds between two starts, or as many at once: how the load of a row comes. */
export type Load = { kind: 'sequential' } | { kind: 'atOnce'; width: number } | { kind: 'every'; ms: number }

export interface RowOptions {
  count: number
  load?: Load
  bytes?: number
  /** Not measured, not counted. */
  warmUp?: number
  /** Before each but the first, not measured; for sequential loads. */
  between?: () => Promise<unknown>
}

/** Of an operation that measures a part of itself: it resolves with milliseconds. One after the other. */
export async function measureWithin(name: string, count: number, operation: () => Promise<number>): Promise<Measured> {
  const durationsMs: number[] = []
  const row = await measure(name, { count, warmUp: 20 }, async (index) => {
    const took = await operation()
    if (index >= 0) durationsMs.push(took)
  })
  return { ...row, durationsMs: durationsMs.sort((a, b) => a - b) }
}

/** Runs `operation` count times under the load. Failures are counted, never hidden; the first is printed. */
export async function measure(
  name: string,
  options: RowOptions,
  operation: (index: number) => Promise<unknown>,
): Promise<Measured> {
  const { count, load = { kind: 'sequential' }, bytes = null, warmUp = 0, between } = options
  for (let index = 0; index < warmUp; index++) await operation(-1 - index)
  const durationsMs: number[] = []
  let failures = 0
  const once = async (index: number) => {
    const start = performance.now()
    try {
      await operation(index)
      durationsMs.push(performance.now() - start)
    } catch (error) {
      if (failures++ === 0) console.error(`  ${name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const start = performance.now()
  if (load.kind === 'sequential') {
    for (let index = 0; index < count; index++) {
      if (index > 0) await between?.()
      await once(index)
    }
  } else if (load.kind === 'atOnce') {
    let next = 0
    const worker = async () => {
      while (next < count) await once(next++)
    }
    await Promise.all(Array.from({ length: load.width }, worker))
  } else {
    const running: Promise<void>[] = []
    for (let index = 0; index < count; index++) {
      const at = start + index * load.ms
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, at - performance.now())))
      running.push(once(index))
    }
    await Promise.all(running)
  }
  const wallMs = between ? durationsMs.reduce((sum, one) => sum + one, 0) : performance.now() - start
  return { name, durationsMs: durationsMs.sort((a, b) => a - b), failures, wallMs, bytes }
}

/** Nearest rank; NaN of nothing. */
export function percentile(ascending: number[], share: number): number {
  return ascending[Math.max(0, Math.ceil(ascending.length * share) - 1)] ?? Number.NaN
}

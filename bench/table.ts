import { type Measured, percentile } from './measure.ts'
import type { Row } from './suite.ts'

const COLUMNS = [32, 9, 9, 9, 11, 9, 11, 9] as const

export const TABLE_HEAD = line(['operation', 'p50 ms', 'p95 ms', 'p99 ms', 'rate', 'success', 'raw p50 ms', 'ratio'])

export function tableLine({ measured, raw }: Row): string {
  const { durationsMs, failures } = measured
  const p50 = percentile(durationsMs, 0.5)
  const rawP50 = raw ? percentile(raw.durationsMs, 0.5) : Number.NaN
  const success = durationsMs.length / Math.max(1, durationsMs.length + failures)
  return line([
    measured.name,
    number(p50),
    number(percentile(durationsMs, 0.95)),
    number(percentile(durationsMs, 0.99)),
    rateOf(measured),
    `${(success * 100).toFixed(success < 1 ? 1 : 0)} %`,
    raw ? number(rawP50) : '',
    raw ? `${(p50 / rawP50).toFixed(3)}` : '',
  ])
}

/** What goes into the JSON file: the same figures, unrounded. */
export function figures({ durationsMs, failures, wallMs, bytes, name }: Measured): object {
  return {
    name,
    count: durationsMs.length,
    failures,
    p50Ms: percentile(durationsMs, 0.5),
    p95Ms: percentile(durationsMs, 0.95),
    p99Ms: percentile(durationsMs, 0.99),
    perSecond: durationsMs.length / (wallMs / 1000),
    bytes,
  }
}

function rateOf({ durationsMs, wallMs, bytes }: Measured): string {
  const perSecond = durationsMs.length / (wallMs / 1000)
  if (bytes !== null && bytes > 100_000) return `${((perSecond * bytes) / 1e6).toFixed(0)} MB/s`
  return `${perSecond < 100 ? perSecond.toFixed(1) : perSecond.toFixed(0)}/s`
}

const number = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(value < 100 ? 1 : 0))

function line(cells: string[]): string {
  return cells
    .map((cell, index) => (index === 0 ? cell.padEnd(COLUMNS[0]) : cell.padStart(COLUMNS[index] ?? 9)))
    .join(' ')
}

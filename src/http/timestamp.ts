/** 0000-01-01 and 9999-12-31: RFC 3339 has four digits for the year. */
const EARLIEST_MS = -62_167_219_200_000
const LATEST_MS = 253_402_300_799_999

/** RFC 3339 with milliseconds. Times come from sandboxes too, so what has no such form is moved to the nearest that has. */
export function timestamp(unixMs: number): string {
  const inRange = Math.min(Math.max(Number.isNaN(unixMs) ? 0 : unixMs, EARLIEST_MS), LATEST_MS)
  return new Date(inRange).toISOString()
}

export function nullableTimestamp(unixMs: number | null): string | null {
  return unixMs === null ? null : timestamp(unixMs)
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** Pauses before each further try: about a day in all. */
export const RETRIES = [
  SECOND,
  5 * SECOND,
  30 * SECOND,
  2 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  4 * HOUR,
  8 * HOUR,
  8 * HOUR,
]

/** Of what a receiver may ask for. */
const LONGEST_ASKED = HOUR
/** So that those who wait for one receiver do not come at once. */
const SPREAD = 0.2

/** Until the next try after so many failed ones; null: there is none. `asked`: by the receiver. */
export function retryIn(failed: number, asked: number | null, random: () => number = Math.random): number | null {
  const pause = RETRIES[failed - 1]
  if (pause === undefined) return null
  return Math.round(Math.max(pause * (1 + SPREAD * random()), Math.min(asked ?? 0, LONGEST_ASKED)))
}

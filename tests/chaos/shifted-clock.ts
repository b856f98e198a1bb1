/**
 * Preloaded into a server (`--import`): its wall clock is that of the machine and the seconds that the file
 * K2_TEST_CLOCK_FILE holds, read anew at SIGUSR2. The monotonic clock and timers are untouched, as when somebody sets the clock.
 */
import { readFileSync } from 'node:fs'

const file = process.env.K2_TEST_CLOCK_FILE ?? ''
const machine = Date.now
let shiftMs = 0

function read(): void {
  try {
    shiftMs = Number(readFileSync(file, 'utf8')) * 1000
  } catch {
    shiftMs = 0
  }
}

read()
process.on('SIGUSR2', read)
Date.now = () => machine() + shiftMs
globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) =>
    args.length === 0
      ? Reflect.construct(target, [machine() + shiftMs], newTarget)
      : Reflect.construct(target, args, newTarget),
})

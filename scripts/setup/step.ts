/** One step of set-up. Idempotent: does nothing when its work is there. */
export interface Step {
  /** Printed in front of its line, at most 14 characters. */
  name: string
  /** Says in a few words what it did or found. `progress` prints a line at once, for work that takes seconds. Throws SetupError. */
  run: (progress: (words: string) => void) => Promise<string>
}

const NAME_WIDTH = 15
const WORDS_WIDTH = 72

/** Runs the steps in order and prints one aligned line for each: name, what was done, milliseconds. */
export async function runSteps(steps: Step[], print: (line: string) => void): Promise<void> {
  for (const { name, run } of steps) {
    const startedAt = performance.now()
    const words = await run((progress) => print(name.padEnd(NAME_WIDTH) + progress))
    const elapsed = `${Math.round(performance.now() - startedAt)} ms`
    print(name.padEnd(NAME_WIDTH) + words.padEnd(WORDS_WIDTH) + elapsed.padStart(10))
  }
}

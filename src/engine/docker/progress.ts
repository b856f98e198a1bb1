import type { Readable } from 'node:stream'
import { readJsonLines } from './json-lines.ts'

/** Drains the progress of a pull or an import to its end. The engine's error text when it failed, else null: the HTTP status is 200 either way. */
export async function readProgress(stream: Readable): Promise<string | null> {
  let failure: string | null = null
  for await (const { error } of readJsonLines(stream)) {
    if (typeof error === 'string') failure = error
  }
  return failure
}

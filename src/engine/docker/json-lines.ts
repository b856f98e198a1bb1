import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/** Longest line kept; a longer one is left out as a whole. */
const LINE_LIMIT_CHARACTERS = 1024 * 1024

/**
 * Objects of a stream of newline-delimited JSON, across chunk borders. Lines that are no JSON object, or longer than 1 MiB,
 * are left out. Leaving the loop destroys the stream.
 */
export async function* readJsonLines(stream: Readable): AsyncGenerator<Record<string, unknown>> {
  const decoder = new StringDecoder('utf8')
  let partial = ''
  let overflown = false
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const lines = decoder.write(chunk).split('\n')
    for (const [index, piece] of lines.entries()) {
      partial = overflown ? '' : partial + piece
      if (partial.length > LINE_LIMIT_CHARACTERS) {
        overflown = true
        partial = ''
      }
      if (index === lines.length - 1) break
      const object = overflown ? null : parseObject(partial)
      partial = ''
      overflown = false
      if (object !== null) yield object
    }
  }
  const last = overflown ? null : parseObject(partial)
  if (last !== null) yield last
}

function parseObject(line: string): Record<string, unknown> | null {
  if (line.trim() === '') return null
  try {
    const value: unknown = JSON.parse(line)
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}

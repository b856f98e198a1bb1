import { existsSync, readFileSync } from 'node:fs'

const PROFILE = new URL('./seccomp.json', import.meta.url)

/** The pinned profile as one line of JSON, as the API takes it (the text, not a path). null while the file is not there. */
export function readSeccompProfile(): string | null {
  if (!existsSync(PROFILE)) return null
  return JSON.stringify(JSON.parse(readFileSync(PROFILE, 'utf8')))
}

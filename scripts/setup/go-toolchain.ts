import { runProgram } from './run-program.ts'

export interface GoToolchain {
  path: string
  /** As it names itself: `go1.26.8`. */
  version: string
}

/** net/http serves HTTP/2 without TLS (http.Protocols) since this release. */
const OLDEST = [1, 24] as const
const PLACES = ['go', '/usr/local/go/bin/go', '/usr/lib/go/bin/go']

/** The first Go on this machine that is new enough for the agent, null when there is none. */
export async function findGo(): Promise<GoToolchain | null> {
  // Its own version, not the one that go.mod would make it download.
  const env = { ...process.env, GOTOOLCHAIN: 'local' }
  for (const path of PLACES) {
    const { exitCode, stdout } = await runProgram([path, 'env', 'GOVERSION'], { env, timeoutMs: 10_000 })
    if (exitCode === 0 && isNewEnough(stdout.trim())) return { path, version: stdout.trim() }
  }
  return null
}

/** `go1.24`, `go1.26.8`, `go1.25rc1`; development versions without a number are not trusted. */
export function isNewEnough(version: string): boolean {
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(version) ?? []
  if (major === undefined || minor === undefined) return false
  return Number(major) > OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) >= OLDEST[1])
}
